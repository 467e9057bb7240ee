// Requests to the service: predictions, the model card, and the token that they are sent with.
import { part } from "./answers.js";

const AWAY = "The service can't be reached, or its response is not valid.";
const UNREADABLE = "This photo can't be read, or can't be sent as it is. The service can be reached.";
const LONGEST_WAIT_S = 60; // for one Retry-After
const TRIES = 30;
const base = new URL(".", document.baseURI).href.replace(/\/$/, "");

// Return the outcome of one request (answers.js says what is in it), with its status, and the seconds of a Retry-After.
export function ask(bytes, name) {
  return send("predict", bytes, name, (body) => body.probabilities);
}

// The same for the maps of a photo: the body has "maps" by class, and the "box" where they lie on the photo.
export function askWhy(bytes, name) {
  return send("explain", bytes, name, (body) => body.maps);
}

async function send(path, bytes, name, isValid) {
  const form = new FormData();
  form.append("photo", bytes, name);
  try {
    const response = await fetch(path, { method: "POST", body: form, headers: token() });
    const body = await response.json();
    if (response.ok && !isValid(body)) throw new TypeError("not an answer of petmood");
    if (response.ok) return { body, status: response.status };
    const again = [401, 429, 503].includes(response.status);
    const waitS = again && response.headers.has("retry-after") ? seconds(response.headers.get("retry-after")) : null;
    return { message: body.message, code: body.code, status: response.status, again, waitS };
  } catch {
    return { message: AWAY, again: true, status: 0 };
  }
}

// The same for one of several photos: if the service is busy, the photo is sent again after the Retry-After. A photo that
// can't be sent, such as a file that was removed, is distinguished from a service that is away.
export async function askPatiently(bytes, name, onWait) {
  for (let tries = 1; ; tries += 1) {
    const outcome = await ask(bytes, name);
    if (outcome.status === 0 && (await isAlive())) return { message: UNREADABLE, code: "bad_photo", again: false };
    if (outcome.waitS == null || tries === TRIES) return outcome;
    onWait();
    await new Promise((resolve) => setTimeout(resolve, 1000 * outcome.waitS));
  }
}

async function isAlive() {
  try {
    return (await fetch("livez")).ok;
  } catch {
    return false;
  }
}

// A number, or a date (RFC 9110); 1 if it is neither.
function seconds(text) {
  const wait = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(wait) ? Math.min(Math.max(wait, 0.1), LONGEST_WAIT_S) : 1;
}

function token() {
  const given = part("token").value.trim();
  return given ? { Authorization: `Bearer ${given}` } : {};
}

export function askForToken(status) {
  if (status === 401) part("token-line").hidden = false;
}

// Send feedback on an answer; return what went wrong, or nothing.
export async function sendFeedback(fields) {
  try {
    const headers = { "Content-Type": "application/json", ...token() };
    const response = await fetch("feedback", { method: "POST", headers, body: JSON.stringify(fields) });
    askForToken(response.status);
    return response.ok ? "" : (await response.json()).message;
  } catch {
    return AWAY;
  }
}

export async function showModel() {
  try {
    const response = await fetch("model", { headers: token() });
    askForToken(response.status);
    if (!response.ok) return;
    const card = await response.json();
    part("model").textContent = `Model ${card.model.name} ${card.model.version}`;
    part("classes").textContent = `Classes of the model: ${card.classes.join(", ")}.${confidentError(card.manifest)}`;
    part("card-text").textContent = card.card;
    part("card").hidden = false;
    document.body.classList.toggle("takes-feedback", card.takes_feedback === true);
    part("never").hidden = !(card.manifest.confidence_threshold > 1);
    part("practice").hidden = card.manifest.data_kind !== "drawings";
  } catch {
    // The page works without the model card; if the service is unreachable, the next prediction reports it.
  }
}

// As `confident_error` of presentation/answers.py: how often results without “not sure” may be wrong.
function confidentError(manifest) {
  if (manifest.confidence_threshold > 1 || !manifest.target_error) return "";
  const allowed = `${Number((100 * manifest.target_error).toPrecision(3))} of 100 photos`;
  return ` A result without “not sure” is wrong in at most ${allowed} like those that it was measured on.`;
}

export function showExamples() {
  for (const id of ["curl", "python"]) {
    part(id).textContent = part(id).textContent.replace("http://127.0.0.1:8000", base);
  }
}
