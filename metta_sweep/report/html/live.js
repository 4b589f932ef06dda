"use strict";
// A live page: what the server has is fetched again whenever it says that something has changed.
(() => {
  const status = document.getElementById("live");
  const say = (text) => { status.textContent = text; };

  // Whoever looks into a plot, types a filter or marks a text is not disturbed; the news waits.
  const isBusy = () => document.hidden
    || document.querySelector(".plot:hover") !== null
    || document.activeElement?.matches("input")
    || !getSelection().isCollapsed;

  const renew = async () => {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.body.dataset.mark = page.body.dataset.mark;
    const filters = [...document.querySelectorAll(".filter")].map((filter) => filter.value);
    const theme = document.documentElement.dataset.theme;
    if (window.Plotly) document.querySelectorAll(".js-plotly-plot").forEach((plot) => Plotly.purge(plot));
    for (const name of ["header", "main", "footer"]) {
      const [old, fresh] = [document.querySelector(name), page.querySelector(name)];
      if (old && fresh) old.replaceWith(document.adoptNode(fresh));
    }
    for (const island of document.querySelectorAll("script[type='application/json']")) {
      island.textContent = page.getElementById(island.id).textContent;
    }
    const own = document.getElementById("page");
    if (own) {
      const again = document.createElement("script");
      again.id = "page";
      again.textContent = own.textContent;
      own.replaceWith(again);
      if (document.documentElement.dataset.theme !== theme) document.getElementById("theme").click();
    }
    document.querySelectorAll(".filter").forEach((filter, place) => {
      if (!filters[place]) return;
      filter.value = filters[place];
      filter.dispatchEvent(new Event("input"));
    });
  };

  // The server may still show what it made a moment ago: the page is asked for again until it is what there is.
  let there = document.body.dataset.mark;
  let working = false;
  let restsUntil = 0;
  const work = async () => {
    if (there === document.body.dataset.mark || working || Date.now() < restsUntil || isBusy()) return;
    working = true;
    try {
      await renew();
      say(`Live: up to date at ${new Date().toLocaleTimeString()}`);
    } catch {
      say("Not live: the server does not answer");
    }
    restsUntil = Date.now() + 2000;
    working = false;
  };
  setInterval(work, 500);

  const events = new EventSource(document.body.dataset.events);
  events.addEventListener("open", () => say("Live: this page shows changes by itself"));
  events.addEventListener("mark", (event) => { there = event.data; work(); });
  events.addEventListener("error", () => say("Not live: the server does not answer; metta-sweep serve starts it"));
})();
