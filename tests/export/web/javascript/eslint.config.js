// The rules for the page's JavaScript and for its tests. Run with: npm run lint --prefix tests/export/web/javascript

import js from "@eslint/js";
import globals from "globals";

const PAGE = "export/web/page";
const TESTS = "tests/export/web/javascript";

export default [
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "consistent-return": "error",
      "curly": ["error", "multi-line"],
      "eqeqeq": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-param-reassign": "error",
      "no-shadow": "error",
      "no-throw-literal": "error",
      "no-unused-expressions": "error",
      "no-use-before-define": ["error", { functions: false }],
      "no-var": "error",
      "prefer-const": "error",
      // Class names come from a model file, which is not trusted: the page inserts them as text, never as markup.
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Use textContent." },
        { property: "outerHTML", message: "Use textContent." },
        { property: "insertAdjacentHTML", message: "Use textContent." },
        { object: "document", property: "write", message: "Use textContent." },
      ],
    },
  },
  { files: [`${PAGE}/*.js`], languageOptions: { globals: globals.browser } },
  { files: [`${PAGE}/worker.js`], languageOptions: { globals: globals.worker } },
  {
    // Classic scripts: see the head of storage.js.
    files: [`${PAGE}/service-worker.js`, `${PAGE}/storage.js`],
    languageOptions: { sourceType: "script", globals: globals.serviceworker },
  },
  { files: [`${TESTS}/*.js`], languageOptions: { globals: globals.node } },
];
