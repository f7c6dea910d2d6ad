// The page: takes a photo and shows the classifier's answer.

import { describeAnswer } from "./answer.js";
import { Classifier, missingFeatures } from "./classifier.js";
import { PhotoError, rejectHugePhoto } from "./photo.js";
import { fillTexts, language, texts } from "./texts.js";

const element = (id) => document.getElementById(id);
const wholePercent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
const oneDecimal = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const twoDecimals = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const wholeNumber = new Intl.NumberFormat(language);
const megabytes = (bytes) => oneDecimal.format(bytes / 1e6);

let classifier;
let ready = false;
let disabled = false; // No photo can be classified, or none any more. The status line says why, and stays.
let newest; // The file that was chosen last. Answers about earlier files are not shown.
let endPreview = () => {}; // Ends the wait for the photo that is being shown.
let registered; // A promise: whether this page has a service worker.

start();

function start() {
  fillTexts(document);
  const missing = missingFeatures();
  if (missing.length > 0) {
    disable(texts.missingFeatures(missing));
    return;
  }
  setStatus(texts.loading);
  // A service worker needs https or localhost. Without one the page works, but needs the network each time.
  registered = navigator.serviceWorker?.register("service-worker.js", { updateViaCache: "none" }).then(
    () => true,
    () => false,
  );
  classifier = new Classifier({
    onProgress: showProgress,
    onPreparing: showPreparing,
    onReady: showReady,
    onFailure: (reason) => disable(ready ? texts.modelStopped(reason) : texts.modelNotLoaded(reason)),
  });
  listenForPhotos();
  showFacts().catch(() => {}); // The worker reports what is wrong with model.json.
}

/** Listen for the three ways to give a photo: the button, paste, and drag and drop. */
function listenForPhotos() {
  const input = element("file");
  input.addEventListener("change", () => {
    classify(input.files[0]);
    input.value = ""; // Otherwise choosing the same photo again would be no change.
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (file) {
      event.preventDefault();
      classify(file);
    }
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // Otherwise the browser leaves the page and opens the file.
    document.body.classList.toggle("dragging", !disabled);
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) {
      document.body.classList.remove("dragging");
    }
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    classify(event.dataTransfer?.files[0]);
  });
}

/** Show the photo and then its answer. `file` is undefined if the file chooser was closed or text was dropped. */
async function classify(file) {
  if (!file || disabled) {
    return;
  }
  newest = file;
  clearAnswer();
  document.body.dataset.state = "busy";
  if (ready) {
    setStatus(texts.classifying);
  }
  try {
    await showPreview(file);
    if (file !== newest) {
      return;
    }
    const answer = await classifier.classify(file);
    if (file === newest) {
      showAnswer(answer);
    }
  } catch (error) {
    if (file === newest) {
      showFailure(error);
    }
  }
}

/** Show the photo. The browser knows its size before it decodes all of it, so a huge photo is rejected here. */
async function showPreview(file) {
  const photo = element("photo");
  endPreview(); // The browser reports nothing more about a photo that is replaced.
  URL.revokeObjectURL(photo.src);
  photo.src = URL.createObjectURL(file);
  const decodable = await new Promise((resolve) => {
    photo.onload = () => resolve(true);
    photo.onerror = () => resolve(false); // The classifier then reports what is wrong with the file.
    endPreview = () => resolve(false);
  });
  if (file !== newest) {
    return;
  }
  if (decodable) {
    rejectHugePhoto(photo.naturalWidth, photo.naturalHeight);
  }
  photo.hidden = !decodable;
  element("invitation").hidden = decodable;
}

function showProgress(loaded, total) {
  const progress = element("progress");
  progress.hidden = false;
  progress.value = loaded / total;
  // Not in the status line: that is a live region, and a screen reader would read every number.
  element("timing").textContent = texts.progress(megabytes(loaded), megabytes(total));
}

function showPreparing() {
  element("progress").removeAttribute("value");
  element("timing").textContent = "";
  setStatus(texts.preparing);
}

function showReady({ threads, kept, milliseconds }) {
  ready = true;
  element("progress").hidden = true;
  document.body.dataset.threads = threads;
  document.body.dataset.readyMilliseconds = milliseconds;
  setStatus(document.body.dataset.state === "busy" ? texts.classifying : "");
  showOffline(kept);
}

async function showOffline(kept) {
  if (kept && (await registered)) {
    await navigator.serviceWorker.ready;
    element("offline").textContent = texts.worksOffline;
    document.body.dataset.offline = "yes";
  } else {
    element("offline").textContent = texts.needsNetwork;
    document.body.dataset.offline = "no";
  }
}

function showAnswer({ milliseconds, ...answer }) {
  const { candidates, verdict } = answer;
  const { headline, advice } = describeAnswer(answer);
  const heading = document.createElement("h2");
  heading.textContent = headline;
  const shown = [heading];
  if (advice) {
    const note = document.createElement("p");
    note.textContent = advice;
    shown.push(note);
  }
  element("verdict").replaceChildren(...shown);
  element("candidates").replaceChildren(...candidates.map(createListItem));
  element("candidates").hidden = false;
  element("timing").textContent = texts.duration(twoDecimals.format(milliseconds / 1000));
  setStatus("");
  document.body.dataset.milliseconds = milliseconds;
  document.body.dataset.verdict = verdict;
  document.body.dataset.state = "answered";
}

// Names come from a model file, which is not trusted: they are inserted as text, never as markup.
function createListItem({ label, name: shownName, probability }) {
  const name = Object.assign(document.createElement("span"), { className: "name", textContent: shownName });
  const share = Object.assign(document.createElement("span"), { className: "share" });
  share.textContent = probability > 0 && probability < 0.005 ? texts.lessThanOnePercent : wholePercent.format(probability);
  const track = Object.assign(document.createElement("div"), { className: "track" });
  const bar = Object.assign(document.createElement("div"), { className: "bar" });
  bar.style.width = `${100 * probability}%`;
  track.append(bar);
  track.setAttribute("aria-hidden", "true");
  const item = document.createElement("li");
  item.dataset.label = label; // the same in every language
  item.append(name, share, track);
  return item;
}

function showFailure(error) {
  clearAnswer();
  document.body.dataset.state = "failed";
  setStatus(error instanceof PhotoError ? error.message : texts.photoNotClassified(error.message));
}

/** Show why no photo can be classified, and take no more of them. */
function disable(message) {
  disabled = true;
  newest = undefined;
  document.body.classList.remove("dragging");
  element("progress").hidden = true;
  element("file").disabled = true;
  clearAnswer();
  document.body.dataset.state = "failed";
  setStatus(message);
}

function clearAnswer() {
  element("verdict").replaceChildren();
  element("candidates").replaceChildren();
  element("candidates").hidden = true;
  if (ready) {
    element("timing").textContent = "";
  }
  delete document.body.dataset.milliseconds;
  delete document.body.dataset.verdict;
}

function setStatus(text) {
  element("status").textContent = text;
}

async function showFacts() {
  const model = await (await fetch("model.json", { cache: "no-cache" })).json();
  const measured = model.evaluation.test;
  const accuracy = measured ? texts.accuracy(oneDecimal.format(measured.top1), wholeNumber.format(measured.images)) : null;
  const size = megabytes(model.files.model.unpacked_bytes);
  element("facts").textContent = texts.facts(wholeNumber.format(model.classes.length), accuracy, size);
}
