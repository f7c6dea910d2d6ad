// All words of the page that people read, one entry for each language: English here, the others in texts-translated.js.
//
// To add a language: copy the entry `en` below into texts-translated.js, under the language's code (BCP 47, for example
// "de" or "pt-BR"), and translate every value. Nothing else changes: the page takes the first of the browser's languages
// that has an entry, and English if there is none. The tests check that every entry has the same keys.
//
// index.html contains the English texts, too, for a browser without JavaScript. Elements with `data-text="key"` get the
// text of that key as their content; `data-text-alt` and `data-text-aria-label` do the same for these attributes.
// Only these stay English: the <meta name="description"> and the <noscript> notice of index.html, and the name and the
// description in app.webmanifest (export/web/contents.py). Names of flowers come from the model file.

import { TRANSLATIONS } from "./texts-translated.js";

const LANGUAGES = {
  ...TRANSLATIONS,
  en: {
    title: "Flowers",

    question: "Which flower is this?",
    hint: "One flower, in the middle of the picture.",
    hintDesktop: "Drop a photo here, or paste one.",
    choosePhoto: "Take or choose a photo",
    privacy: "Your photo never leaves this device.",
    licences: "Licences",

    // Read by screen readers.
    yourPhoto: "Your photo",
    modelProgress: "Loading the model",
    answer: "Answer",
    candidates: "The five most likely flowers",

    loading: "Loading the model …",
    preparing: "Preparing the model …",
    classifying: "Looking …",
    progress: (loaded, total) => `${loaded} of ${total} MB`,
    worksOffline: "Works without a network.",
    needsNetwork: "Needs the network each time.",
    facts: (classes, accuracy, megabytes) =>
      `The model knows ${classes} flowers, ${accuracy === null ? "" : `${accuracy}, `}and takes ${megabytes}\u00a0MB.`,
    accuracy: (percent, images) => `names ${percent}% of ${images} test photographs right`,

    between: (one, other) => `Between ${one} and ${other}`,
    betweenAdvice: "Two names are near each other. A photo from closer, or from the side, may tell them apart.",
    notSure: "Not sure",
    notSureAdvice: "Perhaps no flower, or none that the model knows. Try again with one flower, closer. The best guesses:",
    unfamiliar: "Not like any flower it knows",
    unfamiliarAdvice: "Perhaps no flower, one that the model does not know, or too small in the picture. The nearest names:",
    lessThanOnePercent: "< 1%",
    duration: (seconds) => `${seconds} s on this device`,

    missingFeatures: (features) =>
      `This browser cannot run the model (it has no ${features.join(", ")}). ` +
      "Chrome or Edge 91, Firefox 114, Safari 16.4, or anything newer can.",
    modelNotLoaded: (reason) => `The model could not be loaded (${reason}). Check the network, and load this page again.`,
    modelStopped: (reason) => `No more photos can be classified (${reason}). Load this page again.`,
    noAnswer: (seconds) => `no answer within ${seconds} s`,
    scriptNotLoaded: "a script could not be loaded",
    fileDamaged: (file) => `${file} arrived damaged`,
    fileNotServed: (file, status) => `${file}: the server answers ${status}`,
    photoNotClassified: (reason) => `The photo could not be classified (${reason}). Try another.`,
    fileTooLarge: (megabytes) => `This file is larger than ${megabytes} MB. Choose a smaller photo.`,
    photoTooLarge: (megapixels) => `This photo has more than ${megapixels} megapixels. Choose a smaller one.`,
    heicNotSupported: "This browser cannot open HEIC photos. Save it as JPEG, or choose another.",
    photoNotReadable: "This file is no photo, or is damaged. Choose a JPEG, PNG or WebP picture.",
  },
};

const FALLBACK = "en";

/**
 * @param preferred {readonly string[]} language codes, the most preferred first
 * @param available {readonly string[]} language codes that have texts
 * @returns {string} the first preferred language that is available, if need be without its region ("en-GB" → "en");
 *   English if there is none
 */
export function chooseLanguage(preferred, available = Object.keys(LANGUAGES)) {
  const codes = new Map(available.map((code) => [code.toLowerCase(), code]));
  for (const wanted of preferred) {
    const parts = wanted.toLowerCase().split("-");
    for (let length = parts.length; length > 0; length--) {
      const code = codes.get(parts.slice(0, length).join("-"));
      if (code !== undefined) return code;
    }
  }
  return FALLBACK;
}

/** @returns all texts in one language, by key */
export function textsIn(code) {
  return LANGUAGES[code];
}

/** @returns {string[]} the languages that have texts */
export function languageCodes() {
  return Object.keys(LANGUAGES);
}

/** The language of the page. */
export const language = chooseLanguage(globalThis.navigator?.languages ?? []);

/** The page's texts in this language, by key. */
export const texts = LANGUAGES[language];

/** Write the texts into the elements of the page that are marked with `data-text`, `data-text-alt` and so on. */
export function fillTexts(document) {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = texts[element.dataset.text];
  }
  for (const attribute of ["alt", "aria-label"]) {
    for (const element of document.querySelectorAll(`[data-text-${attribute}]`)) {
      element.setAttribute(attribute, texts[element.getAttribute(`data-text-${attribute}`)]);
    }
  }
}
