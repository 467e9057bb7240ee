"use strict";
// Landing page: send one photo to /predict and show the response. Text from the service is only set as textContent, so
// that it is never parsed as HTML.

const part = (id) => document.getElementById(id);
const base = new URL(".", document.baseURI).href.replace(/\/$/, "");
const LARGE_BYTES = 500000;
const LONG_SIDE_PX = 1600; // several times the side of any network's input
const SHRINKABLE = ["image/jpeg", "image/heic", "image/heif"]; // others may have transparency or several frames
const NO_RESULT = {
  no_animal: ["No pet found", "The model found no animal in this photo, so it gives no result."],
  unfamiliar: ["Unfamiliar photo", "The model has not learned from photos like this one, so it gives no result."],
};
const ADVICE = "For a better result, show the pet's whole face from the front, close up and in daylight.";
let photo = null;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function percent(share) {
  if (share >= 0.995 && share < 1) return "over 99%";
  if (share > 0 && share < 0.005) return "under 1%";
  return `${Math.round(share * 100)}%`;
}

function withToken() {
  const token = part("token").value.trim();
  return token ? { Authorization: `Bearer ${token}` } : {};
}

function askForToken(status) {
  if (status === 401) part("token-line").hidden = false;
}

// A large photo of a phone in a fraction of its bytes, without its metadata; the file itself if the browser can't decode it.
async function shrunk(file) {
  if (file.size < LARGE_BYTES || !SHRINKABLE.includes(file.type)) return file;
  try {
    const bitmap = await createImageBitmap(file); // upright: the orientation in the metadata is applied
    const scale = LONG_SIDE_PX / Math.max(bitmap.width, bitmap.height);
    if (scale >= 1) return file;
    const canvas = element("canvas");
    canvas.width = Math.round(bitmap.width * scale);
    canvas.height = Math.round(bitmap.height * scale);
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const smaller = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    return smaller && smaller.size < file.size ? smaller : file;
  } catch {
    return file;
  }
}

function choose(file) {
  photo = file;
  const preview = part("preview");
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.hidden = false;
  part("no-preview").hidden = true;
  preview.src = URL.createObjectURL(file);
  part("answer").replaceChildren(element("p", "Analyzing the photo ...", "soft"));
  part("result").hidden = false;
  part("photo").required = false; // a photo from the camera, or dropped, can be sent again
  part("result").parentElement.scrollIntoView({ block: "start" });
  predict();
}

async function predict() {
  const asked = photo;
  part("send").disabled = true;
  const form = new FormData();
  form.append("photo", await shrunk(asked), asked.name || "photo");
  const late = setTimeout(() => {
    if (asked === photo) part("answer").replaceChildren(element("p", "This takes longer than usual. Please wait ...", "soft"));
  }, 5000);
  let shown;
  try {
    const response = await fetch("predict", { method: "POST", body: form, headers: withToken() });
    const body = await response.json();
    askForToken(response.status);
    if (response.ok && part("card").hidden) showModel(); // a token was entered since the page was loaded
    shown = response.ok ? prediction(body) : refusal(body.message, body.code);
  } catch {
    shown = refusal("The service can't be reached, or its response is not valid. Your photo stays on this page: please try again.");
  }
  clearTimeout(late);
  part("send").disabled = false;
  if (asked === photo) part("answer").replaceChildren(...shown);
}

function prediction(body) {
  const shown = body.label === null ? withoutResult(body) : result(body);
  if (!body.confident) shown.push(element("p", ADVICE, "soft"));
  for (const warning of body.warnings || []) shown.push(element("p", warning, "wrong"));
  if (body.label !== null) shown.push(bars(body.probabilities));
  return [...shown, element("p", `Model ${body.model.name} ${body.model.version}`, "soft")];
}

function withoutResult(body) {
  const [headline, sentence] = NO_RESULT[body.domain_warning] || NO_RESULT.unfamiliar;
  return [element("p", headline, "headline"), element("p", sentence)];
}

function result(body) {
  if (body.confident) return [element("p", body.label, "headline"), element("p", `Probability ${percent(body.probability)}.`)];
  const guess = `Not sure, ${body.probability >= 0.5 ? "probably" : "perhaps"} ${body.label}`;
  const set = body.prediction_set;
  const possible = set.length > 1 ? ` It could be ${set.slice(0, -1).join(", ")} or ${set.at(-1)}.` : "";
  return [element("p", guess, "headline"), element("p", below(body.probability, body.confidence_threshold) + possible)];
}

function bars(probabilities) {
  const likely = Object.entries(probabilities).sort((one, other) => other[1] - one[1]);
  const list = element("ul", undefined, "bars");
  for (const [label, share] of likely) {
    const row = element("li", label);
    const bar = element("progress");
    bar.max = 1;
    bar.value = share;
    bar.setAttribute("aria-label", label);
    row.append(element("span", percent(share)), bar);
    list.append(row);
  }
  return list;
}

function below(probability, threshold) {
  if (threshold === undefined || threshold > 1) return `${percent(probability)}.`;
  const decimals = [0, 1, 2, 3].find((count) => share(probability, count) !== share(threshold, count));
  const shown = decimals === undefined ? `just under ${share(threshold, 0)}` : share(probability, decimals);
  return `${shown}, below the ${share(threshold, decimals ?? 0)} of a confident result.`;
}

function share(value, decimals) {
  return `${(100 * value).toFixed(decimals)}%`;
}

function refusal(message, code) {
  const shown = [element("p", "No result", "headline"), element("p", message, "wrong")];
  return code ? [...shown, element("p", `Code ${code}`, "soft")] : shown;
}

async function showModel() {
  try {
    const response = await fetch("model", { headers: withToken() });
    askForToken(response.status);
    if (!response.ok) return;
    const card = await response.json();
    part("model").textContent = `Model ${card.model.name} ${card.model.version}`;
    part("classes").textContent = `Classes of the model: ${card.classes.join(", ")}.`;
    part("card-text").textContent = card.card;
    part("card").hidden = false;
    part("never").hidden = !(card.manifest.confidence_threshold > 1);
    part("practice").hidden = card.manifest.data_kind !== "drawings";
  } catch {
    // The page works without the model card; if the service is unreachable, the next prediction reports it.
  }
}

function examples() {
  for (const id of ["curl", "python"]) {
    part(id).textContent = part(id).textContent.replace("http://127.0.0.1:8000", base);
  }
}

for (const name of ["photo", "camera"]) {
  part(name).addEventListener("change", (event) => {
    if (event.target.files.length) choose(event.target.files[0]);
  });
}
part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (photo) predict();
});
part("token").addEventListener("change", showModel);
part("preview").addEventListener("error", () => {
  part("preview").hidden = true;
  part("no-preview").hidden = false;
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    part("drop").classList.toggle("over", name === "dragover");
    const files = name === "drop" ? event.dataTransfer.files : [];
    if (files.length) choose(files[0]);
  });
}
examples();
showModel();
