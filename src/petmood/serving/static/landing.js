// Landing page: sends photos to /predict, shows the full answer of one photo, and a card for each photo of this visit.
import { cardLines, csvText, element, fullAnswer, part, summary } from "./answers.js";
import { showFeedback } from "./feedback.js";
import { drawMap, mapText } from "./maps.js";
import { prepared } from "./photos.js";
import { ask, askForToken, askWhy, askPatiently, showExamples, showModel } from "./service.js";

const AT_ONCE = 2;
const LATE_MS = 5000;
const SAID_EVERY_MS = 4000; // a screen reader can't finish a sentence that changes with each photo

// Photos of this visit, newest first: {name, file, small, thumbnail, outcome, late, why, label, feedback,
// card}. An answered photo loses its
// file: only a thumbnail is kept ("small"; "thumbnail" is its address). The last choice of one photo keeps it until the next
// choice, so that it can be sent again. "why" is the outcome of a request for maps, and "label" the class whose map is shown.
// "feedback" is what was said of the answer (feedback.js).
const visit = [];
let chosen = [];
let selected = null; // the photo whose full answer is shown
let previewUrl = null; // its file, if it is shown in full size
const queue = [];
let run = null; // the queue's progress: {total, done, saidAt, stopped}
let requests = 0;

function choose(files) {
  const before = chosen;
  chosen = [...files].map((file) => ({
    name: file.name || "photo", file, small: null, thumbnail: null, outcome: null, late: false, why: null, label: null,
    feedback: null,
  }));
  for (const photo of before) dropFile(photo);
  for (const photo of chosen) {
    photo.card = cardOf(photo);
    showCard(photo);
  }
  visit.unshift(...chosen);
  part("cards").prepend(...chosen.map((photo) => photo.card));
  part("photo").required = false; // a photo from the camera, or dropped, can be sent again
  if (chosen.length === 1) {
    select(chosen[0], URL.createObjectURL(chosen[0].file));
    sendOne(chosen[0]);
    part("try").parentElement.scrollIntoView({ block: "start" });
  } else {
    select(null);
    sendSeveral(chosen);
    part("visit").scrollIntoView({ block: "start" });
  }
}

function sendAgain() {
  const rest = unsent(chosen);
  if (chosen.length > 1) return rest.length ? sendSeveral(rest) : part("summary").focus();
  if (chosen[0] !== selected) select(chosen[0], URL.createObjectURL(chosen[0].file));
  return sendOne(chosen[0]);
}

function unsent(photos) {
  return photos.filter((photo) => photo.outcome?.again);
}

async function sendOne(photo) {
  requests += 1;
  Object.assign(photo, { outcome: null, late: false, why: null, label: null, feedback: null });
  showPhoto(photo);
  showControls();
  const late = setTimeout(() => showPhoto(Object.assign(photo, { late: true })), LATE_MS);
  const outcome = await ask(await upload(photo), photo.name);
  clearTimeout(late);
  requests -= 1;
  answered(photo, outcome);
  showControls();
  if (!run) sayCounts();
}

// Send photos, a few at once, until all are answered or the service is away; those that wait can then be sent again.
async function sendSeveral(photos) {
  for (const photo of photos) {
    photo.outcome = null;
    showPhoto(photo);
  }
  queue.push(...photos);
  if (run) {
    run.total += photos.length;
    sayProgress();
  } else if (queue.length) {
    await sendQueue();
  }
}

async function sendQueue() {
  run = { total: queue.length, done: 0, saidAt: 0, stopped: null };
  requests += 1;
  showControls();
  sayProgress();
  await Promise.all(Array.from({ length: AT_ONCE }, sendFromQueue));
  const { stopped } = run;
  for (const photo of queue.splice(0)) answered(photo, stopped);
  run = null;
  requests -= 1;
  showControls();
  sayCounts(stopped);
}

async function sendFromQueue() {
  while (queue.length && !run.stopped) {
    const photo = queue.shift();
    const smaller = await upload(photo);
    const outcome = await askPatiently(smaller, photo.name, () => sayProgress(" The service is busy. Waiting ..."));
    if (outcome.again) run.stopped = outcome;
    run.done += 1;
    answered(photo, outcome);
    sayProgress();
  }
}

async function upload(photo) {
  const { smaller, thumbnail } = await prepared(photo.file);
  if (thumbnail && !photo.thumbnail) Object.assign(photo, { small: thumbnail, thumbnail: URL.createObjectURL(thumbnail) });
  showCard(photo);
  return smaller;
}

function answered(photo, outcome) {
  photo.outcome = outcome;
  dropFile(photo);
  askForToken(outcome.status);
  if (outcome.body && part("card").hidden) showModel(); // a token was entered since the page was loaded
  showPhoto(photo);
}

function dropFile(photo) {
  const mayBeSentAgain = photo.outcome?.again || (chosen.length === 1 && photo === chosen[0]);
  if (photo.outcome && !mayBeSentAgain) photo.file = null;
}

// Words about all photos, in one live region

function sayProgress(note = "") {
  part("progress").max = run.total;
  part("progress").value = run.done;
  if (Date.now() - run.saidAt < SAID_EVERY_MS) return;
  run.saidAt = Date.now();
  part("summary").textContent = `${run.done} of ${run.total} photos answered.${note}`;
}

function sayCounts(stopped) {
  const outcomes = visit.filter((photo) => photo.outcome).map((photo) => photo.outcome);
  part("summary").textContent = (stopped ? `Stopped: ${stopped.message} ` : "") + summary(outcomes);
}

function showControls() {
  const rest = unsent(visit).length;
  part("send").disabled = requests > 0;
  part("rest").hidden = requests > 0 || rest === 0;
  part("rest").textContent = `Send the rest (${rest})`;
  part("progress").hidden = !run;
  part("visit").hidden = visit.length < 2; // the answer of the only photo is shown above
}

// The card of each photo, and the full answer of one

function cardOf(photo) {
  const button = element("button", undefined, "photo");
  button.type = "button";
  button.addEventListener("click", () => {
    if (photo !== selected) select(photo);
    part("result").scrollIntoView({ block: "nearest" });
  });
  const card = element("li");
  card.append(button);
  return card;
}

function showCard({ card, name, outcome, thumbnail }) {
  let picture = element("span", "No preview", "thumbnail soft");
  if (thumbnail) {
    picture = element("img", undefined, "thumbnail");
    picture.alt = ""; // the name beside it says which photo it is
    picture.src = thumbnail;
  }
  const [said, more] = outcome ? cardLines(outcome) : ["Waiting ..."];
  const lines = [element("span", name, "name"), element("span", said, "said")];
  if (more) lines.push(element("span", more, outcome.body ? "more soft" : "more wrong"));
  card.firstChild.replaceChildren(picture, ...lines);
}

function showPhoto(photo) {
  showCard(photo);
  if (photo === selected) showSelected();
}

function select(photo, fullSize = null) {
  if (previewUrl) URL.revokeObjectURL(previewUrl);
  previewUrl = fullSize;
  selected?.card.firstChild.removeAttribute("aria-current");
  photo?.card.firstChild.setAttribute("aria-current", "true");
  selected = photo;
  part("result").hidden = !photo;
  if (photo) showSelected();
}

function showSelected() {
  const { name, outcome, late, thumbnail } = selected;
  const wait = late ? "This takes longer than usual. Please wait ..." : "Analyzing the photo ...";
  part("answer").replaceChildren(...(outcome ? fullAnswer(outcome) : [element("p", wait, "soft")]));
  part("photo-name").textContent = visit.length > 1 ? name : "";
  showFeedback(selected);
  showMap();
  const preview = part("preview");
  const source = previewUrl || thumbnail;
  if (source && preview.src === source) return;
  preview.hidden = !source;
  part("no-preview").hidden = Boolean(source);
  if (source) preview.src = source;
  else preview.removeAttribute("src");
}

// The maps of the selected photo

async function explain() {
  const photo = selected;
  if (photo.label) {
    photo.label = null;
    return showMap();
  }
  if (!photo.why?.body) {
    part("explain").disabled = true;
    part("map-text").textContent = "Analyzing the photo ...";
    const found = await askWhy(photo.file || photo.small, photo.name);
    part("explain").disabled = false;
    askForToken(found.status);
    photo.why = found;
  }
  const probabilities = photo.outcome?.body?.probabilities; // none if the photo was sent again meanwhile
  if (photo.why.body && probabilities) photo.label = likeliest(probabilities);
  return photo === selected ? showMap() : undefined;
}

function likeliest(probabilities) {
  return Object.entries(probabilities).reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}

function showMap() {
  const { outcome, why, label, file, small } = selected;
  const isShown = Boolean(small) || part("no-preview").hidden; // a map lies over the photo
  part("why").hidden = !outcome?.body || outcome.body.label === null || !(file || small) || !isShown;
  part("explain").setAttribute("aria-pressed", String(Boolean(label)));
  part("map-line").hidden = part("map").hidden = !label;
  part("preview").classList.toggle("mapped", Boolean(label)); // gray, so that orange is seen on orange fur
  part("map-text").textContent = label || !why ? "" : (why.message ?? "");
  if (!label || !(label in why.body.maps)) return;
  const { maps, box } = why.body;
  part("map-class").replaceChildren(...Object.keys(maps).map((name) => element("option", name)));
  part("map-class").value = label;
  part("map-text").textContent = mapText(label, maps[label], box);
  if (part("preview").naturalWidth) drawMap(part("map"), part("preview"), maps[label], box);
}

function download() {
  const rows = visit.filter((photo) => photo.outcome).map((photo) => [photo.name, photo.outcome]);
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([csvText(rows)], { type: "text/csv" }));
  link.download = "petmood.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000); // the browser reads it after the click
}

for (const name of ["photo", "camera"]) {
  part(name).addEventListener("change", (event) => {
    if (event.target.files.length) choose(event.target.files);
  });
}
part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  sendAgain();
});
part("rest").addEventListener("click", () => {
  part("summary").focus(); // the button is hidden until the photos are sent
  sendSeveral(unsent(visit));
});
part("download").addEventListener("click", download);
part("explain").addEventListener("click", explain);
part("map-class").addEventListener("change", (event) => {
  selected.label = event.target.value;
  showMap();
});
part("preview").addEventListener("load", () => {
  if (selected) showMap();
});
part("token").addEventListener("change", showModel);
part("preview").addEventListener("error", () => {
  part("preview").hidden = true;
  part("no-preview").hidden = false;
  if (selected) showMap();
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    part("drop").classList.toggle("over", name === "dragover");
    const files = name === "drop" ? event.dataTransfer.files : [];
    if (files.length) choose(files);
  });
}
// Without scripts, the form sends one photo: /predict takes no more.
part("photo").multiple = true;
part("drop-title").textContent = "Drop photos here";
part("drop-note").textContent = "or choose one file or more.";
showExamples();
showModel();
