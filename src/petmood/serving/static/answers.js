// Words and values of one photo's answer: the full answer, the line on its card, the summary and the CSV file.
// An outcome is {body} with a prediction, or {message, code, again}; "again": sending the photo again may help.
// Text from the service is only set as textContent, so that it is never parsed as HTML.

const NO_RESULT = {
  no_animal: ["No pet found", "The model found no animal in this photo, so it gives no result. If a pet is in it, go closer."],
  unfamiliar: ["Unfamiliar photo", "The model has not learned from photos like this one, so it gives no result."],
};
const ADVICE = "For a better result, show the pet's whole face from the front, close up and in daylight.";
// The columns and values of "petmood predict --csv" (petmood/cli/tables.py).
const CSV_COLUMNS = [
  "photo", "label", "probability", "confident", "prediction_set", "warnings", "code", "message", "in_domain", "domain_warning",
];
const HIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu; // such as a line break in a name

export const part = (id) => document.getElementById(id);

export function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function fullAnswer(outcome) {
  return outcome.body ? prediction(outcome.body) : refusal(outcome);
}

export function cardLines(outcome) {
  if (!outcome.body) return [outcome.again ? "Not sent" : "No result", outcome.message];
  const headline = headlineOf(outcome.body);
  return outcome.body.label === null ? [headline] : [headline, percent(outcome.body.probability)];
}

// "12 photos: 5 happy, 3 not sure, 1 no result, 1 refused."
export function summary(outcomes) {
  const labels = new Map();
  const others = new Map([["not sure", 0], ["no result", 0], ["refused", 0], ["not sent", 0]]);
  const add = (counts, kind) => counts.set(kind, (counts.get(kind) || 0) + 1);
  for (const { body, again } of outcomes) {
    if (!body) add(others, again ? "not sent" : "refused");
    else if (body.confident) add(labels, body.label);
    else add(others, body.label === null ? "no result" : "not sure");
  }
  const likely = [...labels].sort((one, other) => other[1] - one[1]);
  const counts = [...likely, ...others].filter(([, count]) => count).map(([kind, count]) => `${count} ${kind}`);
  return `${outcomes.length} ${outcomes.length === 1 ? "photo" : "photos"}: ${counts.join(", ")}.`;
}

export function csvText(rows) {
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const lines = [CSV_COLUMNS, ...rows.map(([name, outcome]) => csvRow(name, outcome))];
  return lines.map((line) => line.map(quoted).join(",") + "\r\n").join(""); // RFC 4180
}

function csvRow(name, outcome) {
  const photo = name.replace(HIDDEN, escaped);
  const body = outcome.body;
  if (!body) return [photo, "", "", "", "", "", outcome.code || "unreachable", outcome.message, "", ""];
  return [
    photo, body.label ?? "", body.probability.toFixed(4), String(body.confident), body.prediction_set.join("|"),
    (body.warnings || []).join("|"), "", "", String(body.in_domain ?? ""), body.domain_warning ?? "",
  ];
}

function escaped(character) {
  const hex = character.codePointAt(0).toString(16);
  return hex.length > 2 ? `\\u${hex.padStart(4, "0")}` : `\\x${hex.padStart(2, "0")}`;
}

function prediction(body) {
  const shown = body.label === null ? withoutResult(body) : result(body);
  if (!body.confident) shown.push(element("p", ADVICE, "soft"));
  for (const warning of body.warnings || []) shown.push(element("p", warning, "wrong"));
  if (body.label !== null) shown.push(bars(body.probabilities));
  return [...shown, element("p", `Model ${body.model.name} ${body.model.version}`, "soft")];
}

function headlineOf(body) {
  if (body.label === null) return reasonFor(body)[0];
  return body.confident ? body.label : `Not sure, ${body.probability >= 0.5 ? "probably" : "perhaps"} ${body.label}`;
}

function reasonFor(body) {
  return NO_RESULT[body.domain_warning] || NO_RESULT.unfamiliar;
}

function withoutResult(body) {
  return [element("p", headlineOf(body), "headline"), element("p", reasonFor(body)[1])];
}

function result(body) {
  const headline = element("p", headlineOf(body), "headline");
  if (body.confident) return [headline, element("p", `Probability ${percent(body.probability)}.`)];
  const set = body.prediction_set;
  const possible = set.length > 1 ? ` It could be ${set.slice(0, -1).join(", ")} or ${set.at(-1)}.` : "";
  return [headline, element("p", below(body.probability, body.confidence_threshold) + possible)];
}

function refusal({ message, code, again }) {
  const advice = again && !code ? " Your photo stays on this page: please try again." : "";
  const shown = [element("p", "No result", "headline"), element("p", message + advice, "wrong")];
  return code ? [...shown, element("p", `Code ${code}`, "soft")] : shown;
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

function percent(share) {
  if (share >= 0.995 && share < 1) return "over 99%";
  if (share > 0 && share < 0.005) return "under 1%";
  return `${Math.round(share * 100)}%`;
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
