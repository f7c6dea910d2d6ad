import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  chooseLanguage, fillTexts, language, languageCodes, texts, textsIn,
} from "../../../../export/web/page/texts.js";

const page = new URL("../../../../export/web/page/", import.meta.url);
const html = readFileSync(new URL("index.html", page), "utf8");

test("the first available language of the browser is chosen", () => {
  const available = ["en", "de", "pt-BR"];
  assert.equal(chooseLanguage(["fr", "de", "en"], available), "de");
  assert.equal(chooseLanguage(["de-CH"], available), "de");
  assert.equal(chooseLanguage(["PT-br"], available), "pt-BR");
  assert.equal(chooseLanguage(["fr-CA", "en-GB"], available), "en");
});

test("English is the fallback", () => {
  assert.equal(chooseLanguage([], ["en", "de"]), "en");
  assert.equal(chooseLanguage(["fr", "pt"], ["en", "de", "pt-BR"]), "en");
  assert.ok(languageCodes().includes("en"));
  assert.equal(texts, textsIn(language));
});

test("all languages have the same texts, with the same parameters", () => {
  const english = textsIn("en");
  for (const code of languageCodes()) {
    assert.deepEqual(Object.keys(textsIn(code)).sort(), Object.keys(english).sort(), code);
    for (const [key, text] of Object.entries(textsIn(code))) {
      assert.equal(typeof text, typeof english[key], `${code}: ${key}`);
      assert.equal(text.length > 0, true, `${code}: ${key}`);
      if (typeof text === "function") {
        assert.equal(text.length, english[key].length, `${code}: ${key}`);
      }
    }
  }
});

test("a text contains all its parameters", () => {
  for (const code of languageCodes()) {
    for (const [key, text] of Object.entries(textsIn(code))) {
      if (typeof text === "function") {
        const values = Array.from({ length: text.length }, (_, index) => `«${index}»`);
        const written = text(...(key === "missingFeatures" ? [values] : values));
        for (const value of values) {
          assert.ok(written.includes(value), `${code}: ${key}`);
        }
      }
    }
    assert.doesNotMatch(textsIn(code).facts("102", null, "25.0"), /null/, code);
  }
});

test("language codes are valid", () => {
  assert.deepEqual(Intl.getCanonicalLocales(languageCodes()), languageCodes());
});

test("index.html contains the English texts", () => {
  const english = textsIn("en");
  const contents = [...html.matchAll(/data-text="(\w+)"[^>]*>([^<]*)</g)];
  assert.ok(contents.length > 5);
  for (const [, key, content] of contents) {
    assert.equal(content, english[key], key);
  }
  const attributes = [...html.matchAll(/ (alt|aria-label)="([^"]+)" data-text-(alt|aria-label)="(\w+)"/g)];
  assert.ok(attributes.length > 3);
  for (const [, name, value, marked, key] of attributes) {
    assert.equal(marked, name);
    assert.equal(value, english[key], key);
  }
  const marks = html.match(/data-text(-[a-z-]+)?="/g);
  assert.equal(marks.length, contents.length + attributes.length);
});

test("index.html has no other words, except those without JavaScript", () => {
  const rest = html
    .replace(/<!--.*?-->|<noscript>.*?<\/noscript>/gs, "")
    .replace(/data-text="\w+"[^>]*>[^<]*</g, "><")
    .replace(/<[^>]*>/g, "")
    .replace(/<!doctype html/i, "");
  assert.equal(rest.replace(/[<>\s]/g, ""), "");
});

test("every text is used", () => {
  const scripts = ["answer.js", "app.js", "classifier.js", "photo.js", "worker.js"];
  const code = scripts.map((name) => readFileSync(new URL(name, page), "utf8")).join("\n");
  for (const key of Object.keys(textsIn("en"))) {
    const isUsed = code.includes(`texts.${key}`) || new RegExp(`data-text[a-z-]*="${key}"`).test(html);
    assert.ok(isUsed, key);
  }
});

test("texts are written into the marked elements", () => {
  const title = { dataset: { text: "title" }, textContent: "" };
  const attributes = { "data-text-alt": "yourPhoto" };
  const image = {
    getAttribute: (name) => attributes[name],
    setAttribute: (name, value) => {
      attributes[name] = value;
    },
  };
  const elements = { "[data-text]": [title], "[data-text-alt]": [image], "[data-text-aria-label]": [] };
  const documentElement = {};
  fillTexts({ documentElement, querySelectorAll: (selector) => elements[selector] });
  assert.equal(documentElement.lang, language);
  assert.equal(title.textContent, texts.title);
  assert.equal(attributes.alt, texts.yourPhoto);
});
