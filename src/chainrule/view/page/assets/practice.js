// Practice: a number is hidden, the reader types it, and the page says whether it is right, or what slipped.

import { called, diagnose } from "chainrule/diagnoses";
import { make } from "chainrule/elements";
import { NotUnderstood, readAnswer } from "chainrule/expressions";
import { answerText, askable, format, hidden, hints, parsed, prompt } from "chainrule/questions";

const MARKS = { right: "✓", wrong: "✗" }; // said by a sign and in words, not by colour alone

/** What was asked and how it went; kept as long as the page is open, and nowhere else. */
export class Score {
  constructor() {
    this.asked = new Map();
    this.before = [];
  }

  /** A question is counted once: by its first right answer, or as shown. */
  record(question, { right, tries, hinted }) {
    if (!this.asked.get(question)?.right) this.asked.set(question, { right, first: right && tries === 1 && !hinted });
  }

  /** Asks them again; what was reached before still counts. */
  forget(questions) {
    for (const question of questions) {
      if (this.asked.has(question)) this.before.push(this.asked.get(question));
      this.asked.delete(question);
    }
  }

  get text() {
    const all = [...this.before, ...this.asked.values()], right = all.filter((one) => one.right).length;
    const first = all.filter((one) => one.first).length;
    return all.length ? `${right} of ${all.length} right, ${first} at the first try without a hint.` : "";
  }
}

class Panel {
  constructor(page, host) {
    this.page = page;
    this.host = host;
    this.record = page.record;
    this.section = host.closest("details");
    this.home = this.section?.parentElement;
    this.look = (place) => page.tensor(place);
    this.score = new Score();
    this.list = (this.record.exercise?.hide ?? []).filter((text) => this.look(parsed(text).place));
    this.exercise = Boolean(this.record.exercise?.start && this.list.length);
    this.at = -1; // which of the list was asked last
    this.build();
    page.onSelect((id) => this.offer(id));
    this.offer(page.selected ?? this.record.output);
    if (this.exercise) this.ask(0);
    else this.idle();
  }

  build() {
    const button = (text, rule) => make("button", { type: "button", onclick: rule }, text);
    this.question = make("p", { class: "practice-question", id: "practice-question", tabindex: -1 });
    this.how = make("p", { class: "practice-how", id: "practice-how" });
    this.field = make("textarea", { class: "practice-answer", rows: 1, spellcheck: "false", autocomplete: "off",
      autocapitalize: "off", "aria-labelledby": "practice-question", "aria-describedby": "practice-how practice-verdict",
      onkeydown: (event) => this.pressed(event), oninput: () => this.field.removeAttribute("aria-invalid") });
    this.verdict = make("p", { class: "practice-verdict", id: "practice-verdict", role: "status" });
    this.hints = make("ol", { class: "practice-hints", "aria-label": "Hints", "aria-live": "polite" });
    this.check = button("Check", () => this.answered());
    this.hint = button("Hint", () => this.hinted());
    this.stop = button("Stop", () => this.idle());
    this.next = button("Next question", () => this.ask(this.following()));
    this.open = make("div", { class: "practice-open" }, this.question, this.how, this.field,
      make("p", {}, this.check, " ", this.hint, " ", this.stop), this.verdict, this.hints);
    this.others = button("Other numbers", () => this.shuffle());
    this.choice = make("select", { id: "practice-choice" });
    this.hide = button("Hide it and ask me", () => this.ask(null, this.choice.value));
    this.own = make("p", { class: "practice-choose" },
      make("label", { for: "practice-choice" }, "Of the node that is selected, ask "), this.choice, " ", this.hide);
    this.tally = make("p", { class: "practice-score" });
    const none = this.list.length ? "" : " Here nothing is small enough to be chosen for you: select a node.";
    this.intro = make("p", {},
      `A number is hidden; you work it out, and the page says what is right and what slipped.${none}`);
    this.host.append(this.intro, this.open,
      make("p", {}, this.next, " ", this.others), this.own, this.tally);
  }

  /** What may be asked of the selected node. */
  offer(id) {
    const found = askable(this.record, id, this.look);
    this.choice.replaceChildren(...found.map(({ words, place }) => (
      make("option", { value: place }, words))));
    this.hide.disabled = !found.length;
    if (!found.length) this.choice.append(make("option", {}, `nothing of ${called(this.record.nodes[id])}`));
  }

  /** Nothing is asked: everything is shown, except what an exercise still asks. */
  idle() {
    this.current = null;
    this.home?.append(this.section);
    this.open.hidden = true;
    this.intro.hidden = false;
    this.conceal();
    this.tell();
  }

  /** The next place of the list that was not answered yet; where all were, simply the next. */
  following() {
    const turn = this.list.map((_, k) => (this.at + 1 + k) % this.list.length);
    return turn.find((k) => !this.score.asked.has(this.list[k])) ?? turn[0];
  }

  /** Asks the question at a place of the list, or another that the reader chose. */
  ask(at, chosen = null) {
    if (at !== null) this.at = at;
    const text = chosen ?? this.list[this.at];
    this.current = { text, ...parsed(text), tries: 0, hinted: false, done: false };
    this.ladder = hints(this.record, this.current, this.look);
    this.question.textContent = prompt(this.record, this.current, this.look);
    this.how.textContent = format(this.current, this.look);
    const tensor = this.look(this.current.place), matrix = this.current.entry === null && tensor.shape.length > 1;
    this.field.rows = matrix ? Math.min(tensor.shape.slice(0, -1).reduce((a, b) => a * b, 1), 8) : 1;
    this.field.value = "";
    this.field.removeAttribute("aria-invalid");
    this.say("", null);
    this.hints.replaceChildren();
    this.open.hidden = false;
    this.intro.hidden = true;
    this.check.disabled = this.hint.disabled = false;
    this.hint.textContent = "Hint";
    this.conceal();
    this.tell();
    this.show();
    (this.exercise && at === 0 ? this.question : this.field).focus({ preventScroll: true });
  }

  /** The node at its step of the walk, and the question above all that is said of it. */
  show() {
    const phase = this.current.kind === "value" ? "forward" : "backward";
    this.page.visit(this.current.id, phase);
    if (!this.section) return;
    this.section.open = true;
    const panel = this.home.parentElement;
    panel.prepend(this.section);
    panel.scrollTop = 0;
  }

  /** Hides what the question asks, and in an exercise what the questions after it ask. */
  conceal() {
    const places = new Set(), add = (question) => hidden(this.record, question).forEach((place) => places.add(place));
    if (this.current && !this.current.done) add(this.current);
    if (this.exercise) this.list.filter((text) => !this.score.asked.has(text)).forEach((text) => add(parsed(text)));
    this.page.conceal(places.size ? places : null);
    this.page.whatif?.pause(places.size > 0); // its results would give the answer away
  }

  /** The same questions about other numbers. */
  shuffle() {
    this.round = (this.round ?? 0) + 1;
    if (!this.page.whatif.shuffle(this.round)) {
      this.say("No other numbers were found that give finite results.", null);
      return;
    }
    this.score.forget(this.list);
    this.at = -1;
    this.ask(0);
  }

  pressed(event) {
    const lines = this.field.rows > 1 && !event.ctrlKey && !event.metaKey;
    if (event.key !== "Enter" || event.shiftKey || lines) return;
    event.preventDefault();
    this.answered();
  }

  answered() {
    if (!this.current || this.current.done) return;
    const { place, entry } = this.current;
    let answer;
    try {
      answer = readAnswer(this.field.value, entry === null ? this.look(place).shape : []);
    } catch (error) {
      if (!(error instanceof NotUnderstood)) throw error;
      this.field.setAttribute("aria-invalid", "true");
      this.say(`I cannot read that: ${error.message}.`, "wrong");
      return;
    }
    this.current.tries += 1;
    const { right, message } = diagnose(this.record, place, this.look, answer, entry);
    if (right) this.finish(true, `${message} ${this.shownAnswer()}`);
    else {
      this.say(`${message}`, "wrong");
      this.field.focus();
      this.field.select();
    }
  }

  shownAnswer() {
    const { kind, place, entry } = this.current;
    const what = { value: "The value", gradient: "The gradient", local: "The local derivative" }[kind];
    return `${what} is ${answerText(this.look(place), entry)}.`;
  }

  /** The next hint; the last one is the answer. */
  hinted() {
    if (!this.ladder.length) return;
    this.current.hinted = true;
    this.hints.append(make("li", {}, this.ladder.shift()));
    if (this.ladder.length === 1) this.hint.textContent = "Show the answer";
    if (!this.ladder.length) this.finish(false, "");
  }

  finish(right, message) {
    const { text, tries, hinted } = this.current;
    this.current.done = true;
    this.score.record(text, { right, tries, hinted });
    this.say(message, right ? "right" : null);
    this.check.disabled = this.hint.disabled = true;
    this.conceal();
    this.tell();
    if (!this.next.hidden) this.next.focus();
  }

  say(message, mark) {
    this.verdict.dataset.verdict = mark ?? "";
    this.verdict.textContent = mark ? `${MARKS[mark]} ${message}` : message;
  }

  tell() {
    const left = this.list.filter((text) => !this.score.asked.has(text)).length;
    this.next.hidden = !this.list.length || (this.exercise && !left);
    this.next.textContent = !this.current ? "Ask me something" : this.current.done ? "Next question" : "Skip it";
    this.others.hidden = !this.page.whatif || !this.list.length || Boolean(this.current && !this.current.done);
    this.own.hidden = Boolean(this.current && !this.current.done);
    const end = this.exercise && !left ? "That was all. " : "";
    const of = this.exercise && left ? `${left} of ${this.list.length} questions are left. ` : "";
    this.tally.textContent = `${end}${of}${this.score.text}`;
  }
}

/** Puts the panel into the page; in an exercise the first question is asked at once. */
export function attach(page) {
  page.practice = new Panel(page, page.panel("practice", "Practice"));
  return page.practice;
}
