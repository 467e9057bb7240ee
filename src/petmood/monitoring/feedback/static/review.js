// Review of kept photos: one photo, its classes as buttons and keys, and each label saved at once.
const part = (id) => document.getElementById(id);
let photos = []; // of the queue, in its order; a photo gets `mark` when it is saved
let at = 0;
let saved = []; // places of the saved photos with their marks before, the last one last
let busy = false;
let totals = { waiting: 0, reviewed: 0 };

const marking = (label) => ({
  method: "PUT",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ label }),
});
const address = (kind, photo) => `${kind}/${photo.position}/${encodeURIComponent(photo.request_id)}`;

async function load() {
  const answer = await fetch("queue").catch(() => null);
  const body = answer && (await answer.json().catch(() => null));
  if (!answer?.ok) {
    part("status").textContent = body?.detail ?? "The review can't be reached. Start it again, and reload this page.";
    return;
  }
  [photos, at, saved, totals] = [body.photos, 0, [], body];
  part("accuracy").replaceChildren(...body.accuracy.map((found) => line(accuracyText(found))));
  show();
}

function line(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}

// One bundle: its accuracy on photos of the random sample with a predicted label, and apart the share of the others.
function accuracyText(found) {
  const percent = (share) => `${Math.round(100 * share)}%`;
  const photos = (count) => `${count} ${count === 1 ? "photo" : "photos"}`;
  const all = found.count + found.abstained;
  const parts = [];
  if (found.count) {
    const interval = `95% interval ${percent(found.low)} to ${percent(found.high)}`;
    parts.push(`of ${photos(found.count)} with a label, ${percent(found.value)} were predicted right (${interval})`);
  }
  if (found.abstained) parts.push(`${percent(found.abstained / all)} of ${photos(all)} have no predicted label`);
  return `${found.bundle}, photos that were chosen at random: ${parts.join("; ")}.`;
}

function show() {
  const photo = photos[at];
  const marks = photos.filter((one) => one.mark).length;
  part("review").hidden = !photo;
  part("status").textContent = photo
    ? `${totals.waiting - marks} to review, ${totals.reviewed + marks} reviewed.${photo.mark ? ` Saved: ${photo.mark}.` : ""}`
    : `All photos are reviewed: ${totals.reviewed + marks}.`;
  part("undo").disabled = saved.length === 0;
  part("before").disabled = at === 0;
  if (!photo) return;
  part("photo").src = address("photos", photo);
  const chance = Math.round(100 * Math.max(...Object.values(photo.probabilities)));
  const chosen = photo.chosen === "random" ? "chosen at random" : "chosen as one of the least confident";
  part("predicted").textContent = `Predicted: ${photo.predicted ?? "no label"} (${chance}%), ${chosen}.`;
  const labels = Object.keys(photo.probabilities).map((label, number) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = number < 9 ? `${number + 1} ${label}` : label;
    button.className = photo.mark === label ? "" : "quiet";
    button.setAttribute("aria-pressed", String(photo.mark === label));
    button.addEventListener("click", () => save(label));
    return button;
  });
  part("labels").replaceChildren(...labels);
  const next = photos[at + 1];
  if (next) new Image().src = address("photos", next);
}

async function send(photo, options) {
  busy = true;
  const answer = await fetch(address("marks", photo), options).catch(() => null);
  busy = false;
  if (answer?.ok) return true;
  const body = answer && (await answer.json().catch(() => null));
  part("status").textContent = `Not saved: ${body?.detail ?? "the review can't be reached."}`;
  return false;
}

async function save(label) {
  const photo = photos[at];
  if (busy || !photo) return;
  if (!(await send(photo, marking(label)))) return;
  saved.push({ at, before: photo.mark });
  photo.mark = label;
  await move(1);
}

async function undo() {
  if (busy || saved.length === 0) return;
  const last = saved[saved.length - 1];
  const photo = photos[last.at];
  if (!(await send(photo, last.before ? marking(last.before) : { method: "DELETE" }))) return;
  saved.pop();
  photo.mark = last.before;
  at = last.at;
  show();
}

async function move(step) {
  if (busy) return;
  at = Math.max(0, at + step);
  if (at < photos.length) show();
  else await load();
}

part("undo").addEventListener("click", undo);
part("skip").addEventListener("click", () => move(1));
part("before").addEventListener("click", () => move(-1));
part("after").addEventListener("click", () => move(1));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const labels = Object.keys(photos[at]?.probabilities ?? {});
  if (/^[1-9]$/.test(event.key)) labels[event.key - 1] && save(labels[event.key - 1]);
  else if (event.key.toLowerCase() === "u") undo();
  else if (event.key.toLowerCase() === "s" || event.key === "ArrowRight") move(1);
  else if (event.key === "ArrowLeft") move(-1);
});
load();
