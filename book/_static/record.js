// The record of a reader's progress, kept in this browser alone:
//   {version: 2,
//    answers: {"<page>#<id>": {first, last, right, sure, tries}},  right and sure: of the first; an option's number, a
//      typed text, or of an exercise its values as JSON, with the number of wrong answers
//    exercises: {"<page>#<id>": "said" | "solved"},
//    interview: {"<id>": {seen: true, rating, pile, due: "YYYY-MM-DD"}}}
// What is not of this form may come from another edition of the book: it is not shown, and carried along.
(() => {
  "use strict";
  const KEY = "fpcourse.record";
  const VERSION = 2;
  const PARTS = ["answers", "exercises", "interview"];
  const MARKS = { seen: [true], rating: ["strong", "adequate", "not yet"], pile: ["known", "again"] };
  // Frozen: what questions 1 to 5 were called when version 1 numbered them.
  const RENAMED = {
    "01_forward_pass": "collapse relu threshold same-risk sigmoid-twice",
    "02_shapes": "doubled-widths shape-error memory view one-patient",
    "03_tracing": "row-names one-name three-hooks functional-relu service",
    "04_autograd": "used-twice no-leaf frozen growing-loop small-step",
    "05_activations": "in-place two-stds rare-unit same-mean dead-gradient",
    "06_modes": "scaled-again other-batch running-mean three-facts forgotten-train",
    "07_interview": "two-losses kept-bytes broadcast list-of-outputs one-sentence",
  };

  const fresh = () => ({ version: VERSION, answers: {}, exercises: {}, interview: {} });
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const objectOf = (value) => (isObject(value) ? value : {});
  const mapped = (value, change) => Object.fromEntries(Object.entries(objectOf(value)).map(change));
  const parse = (text) => {
    try {
      return objectOf(JSON.parse(text));
    } catch {
      return {};
    }
  };

  const renamed = (id) => {
    const [, page, number] = id.match(/^(.+)#question-([1-5])$/) ?? [];
    return Object.hasOwn(RENAMED, page) ? `${page}#question-${RENAMED[page].split(" ")[number - 1]}` : id;
  };
  const ofVersion1 = ({ answers, exercises }) => ({
    ...fresh(),
    answers: mapped(answers, ([id, answer]) => [renamed(id), answer]),
    exercises: mapped(exercises, ([id, done]) => [id, done === true ? "said" : done]),
  });
  // Version 1 had four keys. They stay, for an older edition of the book at the same address.
  const readVersion1 = () => {
    const stored = (name) => {
      const record = parse(localStorage.getItem(`fpcourse.${name}`));
      return record.version === 1 ? record : {};
    };
    const record = ofVersion1(stored("progress"));
    for (const [name, field] of [["seen", "seen"], ["ratings", "rating"], ["cards", "pile"]]) {
      Object.assign(record.interview, mapped(stored(name).marks, ([id, mark]) =>
        [id, { ...record.interview[id], [field]: mark === "seen" || mark }]));
    }
    return record;
  };

  let unkept = null;  // the record where the browser keeps none: it lasts as long as the page
  const setAside = (text) => {
    let n = 1;
    while (localStorage.getItem(`${KEY}.kept-${n}`) !== null) n += 1;
    localStorage.setItem(`${KEY}.kept-${n}`, text);
  };
  const read = () => {
    if (unkept) return unkept;
    try {
      const text = localStorage.getItem(KEY);
      if (text === null) return readVersion1();
      const stored = parse(text);
      const record = stored.version === VERSION ? { ...fresh(), ...stored } : fresh();
      const unreadable = PARTS.filter((part) => !isObject(record[part]));
      unreadable.forEach((part) => { record[part] = {}; });
      if (stored.version !== VERSION || unreadable.length) {
        setAside(text);
        localStorage.setItem(KEY, JSON.stringify(record));
      }
      return record;
    } catch {
      return (unkept = fresh());
    }
  };
  const tell = () => document.dispatchEvent(new Event(KEY));
  const write = (record) => {
    try {
      if (unkept) unkept = record;
      else localStorage.setItem(KEY, JSON.stringify(record));
    } catch {
      unkept = record;
    }
    tell();
  };
  // Read again before each write: another tab may have written since.
  const change = (edit) => {
    const record = read();
    edit(record);
    write(record);
  };
  addEventListener("storage", tell);
  addEventListener("pageshow", tell);

  const isValue = (value) => typeof value === "string" || Number.isInteger(value);
  const answer = (id) => {
    const entry = Object(read().answers[id]);
    return isValue(entry.first) && isValue(entry.last) && typeof entry.right === "boolean" ? entry : null;
  };
  const isDone = (id) => ["said", "solved"].includes(read().exercises[id]);
  // By question of the interview, the marks of one kind.
  const marks = (field) => {
    const values = mapped(read().interview, ([id, entry]) => [id, Object(entry)[field]]);
    return new Map(Object.entries(values).filter(([, value]) => MARKS[field].includes(value)));
  };
  const mark = (id, field, value) => change(({ interview }) => {
    interview[id] = { ...objectOf(interview[id]), [field]: value };
  });
  const putAside = () => {
    try {
      return Object.keys(localStorage).filter((name) => /^fpcourse\.\w+\.kept-\d+$/.test(name)).sort();
    } catch {
      return [];  // nothing is kept at all, and a line says so
    }
  };

  // A text that Export has written, in this version or in version 1; null for any other.
  const parseExport = (text) => {
    const record = parse(text);
    const has = (...parts) => parts.every((part) => isObject(record[part]));
    if (record.version === 1 && has("answers", "exercises")) return ofVersion1(record);
    return record.version === VERSION && has(...PARTS) ? record : null;
  };
  // What is here stays, so that a first answer stays the first; what is new is added.
  const add = (found) => {
    const record = read();
    write({
      ...found,
      ...record,
      answers: { ...found.answers, ...record.answers },
      exercises: { ...found.exercises, ...record.exercises },
      interview: mapped({ ...found.interview, ...record.interview }, ([id, mine]) =>
        [id, isObject(mine) ? { ...objectOf(found.interview[id]), ...mine } : mine]),
    });
  };

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  window.fpcourseRecord = {
    VERSION, read, change, answer, isDone, marks, mark, putAside, parseExport, add, tell, make,
    onChange: (act) => document.addEventListener(KEY, act),
    isKept: () => !unkept,
    reset: () => write(fresh()),
  };
})();
