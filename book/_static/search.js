// On the search page: what it quotes comes in scripts, which a page from a folder may load, where it may not fetch;
// and what was searched for is marked in the page that is opened from here, not in the next one that happens to be.
(() => {
  "use strict";
  const KEY = "sphinx_highlight_terms";
  window.searchTexts = {};

  // Sphinx calls this for each page found, then htmlToText with what it got.
  window.fetch = (address) => new Promise((resolve) => {
    const page = address.replace(/^\.\//, "").replace(/\.html$/, "");
    const script = document.createElement("script");
    script.src = `search_texts/${page}.js`;
    script.addEventListener("load", () => resolve({ text: () => page }));
    document.head.append(script);
  });

  // Before Sphinx's own start, which this script's place in the page comes before.
  document.addEventListener("DOMContentLoaded", () => {
    Search.htmlToText = (page, anchor) => {
      const sections = window.searchTexts[page];
      const at = sections.findIndex(([id]) => `#${id}` === anchor);
      return sections.slice(Math.max(at, 0)).map(([, text]) => text).join(" ");
    };
    const parse = Search._parseQuery;
    let words = "";
    Search._parseQuery = (query) => {
      const parsed = parse(query);
      words = localStorage.getItem(KEY);
      localStorage.removeItem(KEY);
      return parsed;
    };
    ["click", "auxclick"].forEach((kind) => document.addEventListener(kind, (event) => {
      if (event.target.closest("#search-results a")) localStorage.setItem(KEY, words);
    }));
  });
})();
