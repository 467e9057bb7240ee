// Feedback on the answer that is shown: "Right" in one click, or "Wrong" and then the class that is right.
// A photo's feedback is {given, choosing, text}: "right" or a class, whether the classes are shown, and the last message.
import { element, part } from "./answers.js";
import { sendFeedback } from "./service.js";

let shown = null; // the photo whose answer is shown
let built = null; // the answer for which there are buttons of classes
let sending = false;

export function showFeedback(photo) {
  shown = photo;
  const body = photo.outcome?.body;
  part("feedback").hidden = !body?.request_id;
  if (!body) return;
  const { given, choosing, text } = stateOf(photo);
  if (built !== body) part("feedback-labels").replaceChildren(element("span", "It should be:"), ...labelButtons(body));
  built = body;
  for (const button of part("feedback-labels").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(given === button.textContent));
  }
  part("right").setAttribute("aria-pressed", String(given === "right"));
  part("wrong").setAttribute("aria-expanded", String(choosing));
  part("feedback-labels").hidden = !choosing;
  part("feedback-text").textContent = text;
}

function stateOf(photo) {
  photo.feedback ??= { given: null, choosing: false, text: "" };
  return photo.feedback;
}

function labelButtons(body) {
  const others = Object.keys(body.probabilities).filter((label) => label !== body.label);
  return others.map((label) => {
    const button = element("button", label, "quiet");
    button.type = "button";
    button.addEventListener("click", () => give(label, { label }));
    return button;
  });
}

async function give(given, fields) {
  if (sending) return;
  const photo = shown;
  const state = stateOf(photo);
  sending = true;
  const problem = await sendFeedback({ request_id: photo.outcome.body.request_id, ...fields });
  sending = false;
  if (problem) {
    state.text = problem;
  } else {
    Object.assign(state, { given, choosing: given !== "right", text: "Thank you." });
  }
  if (photo === shown) showFeedback(photo);
}

part("right").addEventListener("click", () => give("right", { right: true }));
part("wrong").addEventListener("click", () => {
  const state = stateOf(shown);
  Object.assign(state, { choosing: !state.choosing, text: "" });
  showFeedback(shown);
});
