// The table of progress, and the ways to take the record along or to delete it. Works on what record.js keeps.
(() => {
  "use strict";
  const { VERSION, make, read, answer, isDone, putAside, parseExport, add, reset, onChange } = window.fpcourseRecord;
  const place = document.querySelector(".progress-place");
  const pages = JSON.parse(place.firstElementChild.textContent);
  const COLUMNS = [
    ["questions", "Questions, right at first try", (id) => answer(id)?.right],
    ["predictions", "Predictions", answer],
    ["exercises", "Exercises", isDone],
  ];

  const head = make("tr", {}, ...["Page", ...COLUMNS.map(([, title]) => title)]
    .map((textContent) => make("th", { scope: "col", textContent })));
  const body = make("tbody", {});
  const foot = make("tfoot", {});
  const table = make("table", { className: "progress-table" },
    make("caption", { textContent: "What you have answered and done" }), make("thead", {}, head), body, foot);
  const row = (first, counts) => make("tr", {}, make("th", { scope: "row" }, first), ...counts.map(([done, of, solved]) =>
    make("td", { textContent: of ? `${done} of ${of}${solved ? `, ${solved} solved here` : ""}` : "–" })));
  const kept = make("p", { className: "quiz-note", hidden: true });

  const paint = () => {
    const { exercises } = read();
    const isBegun = Object.values(read()).some((part) => Object.keys(Object(part)).length); // before, one can only import
    [table, exporting, resetting].forEach((element) => { element.hidden = !isBegun; });
    const counts = pages.map((page) => COLUMNS.map(([kind, , counts]) => {
      const ids = page[kind].map((name) => `${page.page}#${name}`);
      return [ids.filter(counts).length, ids.length, ids.filter((id) => exercises[id] === "solved").length];
    }));
    body.replaceChildren(...pages.map(({ href, title }, i) => row(make("a", { href, textContent: title }), counts[i])));
    const sum = (at, which) => counts.reduce((total, count) => total + count[at][which], 0);
    foot.replaceChildren(row("All pages", COLUMNS.map((_, at) => [0, 1, 2].map((which) => sum(at, which)))));
    const names = putAside();
    kept.hidden = !names.length;
    kept.textContent = `A record that this page could not read was put aside, in this browser: ${names.join(", ")}.`;
  };

  const status = make("p", { className: "progress-status" });
  status.setAttribute("role", "status");
  const button = (textContent, act) => {
    const made = make("button", { type: "button", textContent });
    made.addEventListener("click", act);
    return made;
  };

  const save = () => {
    const file = new Blob([`${JSON.stringify(read(), null, 1)}\n`], { type: "application/json" });
    const link = make("a", { href: URL.createObjectURL(file), download: "fpcourse-progress.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    status.textContent = `Exported to ${link.download}.`;
  };

  const fault = (text) => {
    try {
      const { version } = JSON.parse(text);
      if (version > VERSION) return `it is of version ${version}, and this page reads version ${VERSION}. ` +
        "Import it into the edition of the course that wrote it";
    } catch { /* no JSON at all */ }
    return "it holds no progress of this course. Choose a file that Export has written";
  };
  const chooser = make("input", { type: "file", accept: ".json,application/json", hidden: true });
  chooser.addEventListener("change", async () => {
    const [file] = chooser.files;
    const text = await file.text();
    const found = parseExport(text);
    chooser.value = "";
    if (found) add(found);
    status.textContent = found ? `Imported from ${file.name}; answers: ${Object.keys(found.answers).length}, ` +
      `exercises: ${Object.keys(found.exercises).length}. What this browser had was kept.` :
      `${file.name} was not imported: ${fault(text)}. Nothing has changed.`;
  });

  const dialog = make("dialog", { className: "progress-dialog" });
  const question = make("p", { id: "progress-reset", textContent: "Delete your progress from this browser, " +
    "ratings and flashcards included? There is no way back; " +
    "export it first if you want to keep it." });
  dialog.setAttribute("aria-labelledby", question.id);
  const cancel = button("Keep it", () => dialog.close());
  cancel.autofocus = true;
  const remove = button("Delete it", () => {
    reset();
    dialog.close();
    status.textContent = "Your progress has been deleted from this browser.";
  });
  dialog.append(question, make("div", { className: "progress-buttons" }, cancel, remove));

  const exporting = button("Export", save);
  const resetting = button("Reset", () => dialog.showModal());
  const buttons = make("div", { className: "progress-buttons" }, exporting, button("Import", () => chooser.click()), resetting, chooser);
  place.append(table, buttons, status, kept, dialog);
  onChange(paint);
  paint();
})();
