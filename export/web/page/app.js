// The page: takes a photo, shows what the classifier says of it.

import { Classifier, missingFeatures } from "./classifier.js";
import { PhotoError, refuseHuge } from "./photo.js";

const element = (id) => document.getElementById(id);
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });
const seconds = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

let classifier;
let ready = false;
let newest; // The file that was chosen last: answers about others come too late.

start();

function start() {
  const missing = missingFeatures();
  if (missing.length > 0) {
    giveUp(
      `This browser cannot run the model (it has no ${missing.join(", ")}). ` +
        "Chrome or Edge 91, Firefox 114, Safari 16.4, or anything newer can.",
    );
    return;
  }
  setStatus("Loading the model …");
  classifier = new Classifier({ onProgress: showProgress, onPreparing: showPreparing, onReady: showReady, onBroken: showBroken });
  takePhotos();
  showFacts();
  navigator.serviceWorker?.register("service-worker.js", { updateViaCache: "none" }).catch(() => {
    // Without one (it needs https or localhost), all works but for opening the page without a network.
  });
}

function takePhotos() {
  const input = element("file");
  input.addEventListener("change", () => {
    take(input.files[0]);
    input.value = ""; // So that the same photo can be chosen again.
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (file) {
      event.preventDefault();
      take(file);
    }
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) {
      document.body.classList.remove("dragging");
    }
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    take(event.dataTransfer?.files[0]);
  });
}

async function take(file) {
  if (!file) {
    return; // The chooser was closed, or text was dropped.
  }
  newest = file;
  clearAnswer();
  document.body.dataset.state = "busy";
  if (ready) {
    setStatus("Looking …");
  }
  try {
    await preview(file);
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

/** Show the photo. Its size is known before all of it is decoded, so that a huge one is refused here. */
async function preview(file) {
  const photo = element("photo");
  URL.revokeObjectURL(photo.src);
  photo.src = URL.createObjectURL(file);
  const shown = await new Promise((resolve) => {
    photo.onload = () => resolve(true);
    photo.onerror = () => resolve(false); // The classifier says what is wrong with it.
  });
  if (file !== newest) {
    return;
  }
  if (shown) {
    refuseHuge(photo.naturalWidth, photo.naturalHeight);
  }
  photo.hidden = !shown;
  element("invitation").hidden = shown;
}

function showProgress(loaded, total) {
  const progress = element("progress");
  progress.hidden = false;
  progress.value = loaded / total;
  // Beside the bar and not in the live region: a screen reader would read every number.
  element("timing").textContent = `${megabytes(loaded)} of ${megabytes(total)} MB`;
}

function showPreparing() {
  element("progress").removeAttribute("value");
  element("timing").textContent = "";
  setStatus("Preparing the model …");
}

function showReady({ threads, kept, milliseconds }) {
  ready = true;
  element("progress").hidden = true;
  document.body.dataset.threads = threads;
  document.body.dataset.readyMilliseconds = milliseconds;
  setStatus(document.body.dataset.state === "busy" ? "Looking …" : "");
  showOffline(kept);
}

async function showOffline(kept) {
  if (kept && navigator.serviceWorker) {
    await navigator.serviceWorker.ready;
    element("offline").textContent = "Works without a network.";
    document.body.dataset.offline = "yes";
  } else {
    element("offline").textContent = "Needs the network each time.";
    document.body.dataset.offline = "no";
  }
}

function showAnswer({ candidates, uncertain, milliseconds }) {
  const [best] = candidates;
  const heading = document.createElement("h2");
  heading.textContent = uncertain ? "Not sure" : best.label;
  const verdict = [heading];
  if (uncertain) {
    const note = document.createElement("p");
    note.textContent = "Perhaps no flower, or none that the model knows. Try again with one flower, closer. The best guesses:";
    verdict.push(note);
  }
  element("verdict").replaceChildren(...verdict);
  element("candidates").replaceChildren(...candidates.map(asItem));
  element("candidates").hidden = false;
  element("timing").textContent = `${seconds.format(milliseconds / 1000)} s on this device`;
  setStatus("");
  document.body.dataset.milliseconds = milliseconds;
  document.body.dataset.state = "answered";
}

// Class names come from a model file, which may come from anywhere: they are text, and never markup.
function asItem({ label, probability }) {
  const name = Object.assign(document.createElement("span"), { className: "name", textContent: label });
  const share = Object.assign(document.createElement("span"), { className: "share" });
  share.textContent = probability > 0 && probability < 0.005 ? "< 1%" : percent.format(probability);
  const track = Object.assign(document.createElement("div"), { className: "track" });
  const bar = Object.assign(document.createElement("div"), { className: "bar" });
  bar.style.width = `${100 * probability}%`;
  track.append(bar);
  track.setAttribute("aria-hidden", "true");
  const item = document.createElement("li");
  item.append(name, share, track);
  return item;
}

function showFailure(error) {
  clearAnswer();
  document.body.dataset.state = "failed";
  setStatus(error instanceof PhotoError ? error.message : `The photo could not be classified (${error.message}). Try another.`);
}

function showBroken(reason) {
  giveUp(`The model could not be loaded (${reason}). Check the network, and load this page again.`);
}

function giveUp(message) {
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
}

function setStatus(text) {
  element("status").textContent = text;
}

async function showFacts() {
  const model = await (await fetch("model.json", { cache: "no-cache" })).json();
  const measured = model.evaluation.test;
  const right = measured ? `names ${measured.top1.toFixed(1)}% of ${measured.images.toLocaleString("en")} test photographs right, ` : "";
  const size = megabytes(model.files.model.unpacked_bytes);
  element("facts").textContent = `The model knows ${model.classes.length} flowers, ${right}and takes ${size}\u00a0MB.`;
}
