"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const sweeps = JSON.parse(document.getElementById("sweeps").textContent);
  const root = document.documentElement;
  const drawn = new Set();
  // A live page runs this again for what has changed; then nothing of before listens any more.
  window.pageEnds?.abort();
  window.pageEnds = new AbortController();
  const { signal } = window.pageEnds;

  // Colours are named by meaning and looked up when a plot is drawn: one file serves light and dark.
  const coloured = (value, style) => {
    if (typeof value === "string") return value[0] === "@" ? style.getPropertyValue("--" + value.slice(1)).trim() : value;
    if (Array.isArray(value)) return value.map((item) => coloured(item, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, style)]));
    }
    return value;
  };

  // Four significant digits, or as many more as it takes to tell a number from 1.
  const spell = (value) => {
    if (typeof value !== "number") return value ?? "";
    const digits = Math.abs(value) >= 1e4 ? Math.ceil(Math.log10(Math.abs(value))) : 0.99 < value && value < 1 ? 6 : 4;
    return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(digits)));
  };
  // Plotly reads a little HTML in its texts.
  const escaped = (text) => String(text).replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);

  const told = Object.fromEntries(Object.entries(sweeps).map(([prefix, sweep]) => [
    prefix,
    sweep.rollouts.map(([origin, mean, failure, values], index) => [
      `<b>rollout ${index}</b> (${escaped(origin)})`,
      ...(mean === null ? [] : [`${escaped(sweep.metric)} ${spell(mean)}`]),
      ...(failure === null ? [] : [`failed: ${escaped(failure)}`]),
      ...values.flatMap((value, place) => (
        value === null ? [] : [`${escaped(sweep.params[place])}=${escaped(spell(value))}`]
      )),
    ].join("<br>")),
  ]));

  // What hovering tells of a rollout is held once and shared by all plots of its sweep.
  const tracesOf = (element, style) => figures[element.id].data.map((trace) => {
    const { rollouts, ...rest } = coloured(trace, style);
    if (!rollouts) return rest;
    const prefix = element.id.slice(0, element.id.indexOf("-") + 1);
    if (rest.y === "means") rest.y = rollouts.map((index) => sweeps[prefix].rollouts[index][1]);
    return { ...rest, text: rollouts.map((index) => told[prefix][index]) };
  });

  const layoutOf = (figure, style) => {
    const axis = { gridcolor: style.getPropertyValue("--rule"), zeroline: false, automargin: true };
    const layout = coloured(figure.layout, style);
    return {
      margin: { l: 65, r: 20, t: 20, b: 50 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: style.getPropertyValue("--muted").trim() },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: style.getPropertyValue("--ink").trim(), size: 13 },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      hoverlabel: { align: "left" },
      height: figure.height,
      ...layout,
      xaxis: { ...axis, ...layout.xaxis },
      yaxis: { ...axis, ...layout.yaxis },
    };
  };

  const draw = (element) => {
    const figure = figures[element.id];
    const style = getComputedStyle(root);
    drawn.add(element);
    return Plotly.react(element, tracesOf(element, style), layoutOf(figure, style), {
      displaylogo: false,
      displayModeBar: figure.height < 300 ? false : "hover",
      responsive: true,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    });
  };

  // A plot is drawn when it is about to be seen: a page of forty plots opens as fast as one of three.
  const plots = [...document.querySelectorAll(".plot")];
  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      watcher.unobserve(entry.target);
      draw(entry.target);
    }),
    { rootMargin: "400px" },
  );
  plots.forEach((plot) => watcher.observe(plot));
  const drawAll = () => Promise.all(plots.filter((plot) => !drawn.has(plot)).map(draw));
  window.addEventListener("beforeprint", drawAll, { signal });
  window.drawAll = drawAll;

  const setTheme = (name) => {
    root.dataset.theme = name;
    drawn.forEach(draw);
  };
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  setTheme(dark.matches ? "dark" : "light");
  dark.addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"), { signal });
  document.getElementById("theme").addEventListener("click", () => {
    setTheme(root.dataset.theme === "dark" ? "light" : "dark");
  });

  // Numbers before words, and what is missing last, whichever way a column is sorted.
  const compare = (a, b, sign) => {
    if (a === b) return 0;
    if (a === null) return 1;
    if (b === null) return -1;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a < b ? -sign : sign;
  };

  const cellOf = (value, column, directory) => {
    const cell = document.createElement("td");
    if (column === 0) {
      const link = cell.appendChild(document.createElement("a"));
      link.href = `${directory}${encodeURIComponent(value)}/`;
      link.textContent = value;
    } else {
      cell.textContent = spell(value);
      if (typeof value === "number") cell.className = "number";
      if (value === "failed") cell.className = "failed";
    }
    return cell;
  };

  const tableOf = (prefix, sweep) => {
    const table = document.getElementById(`${prefix}runs`);
    const names = ["Run", "Rollout", "State", sweep.metric, "Cost (s)", "Steps", "Seed", "Origin", ...sweep.params, "Failure"];
    const rows = sweep.runs.map(([run, rollout, state, metric, cost, steps, seed, failure]) => {
      const [origin, , , values] = sweep.rollouts[rollout];
      const cells = [run, rollout, state, metric, cost, steps, seed, origin, ...values, failure];
      const row = document.createElement("tr");
      row.append(...cells.map((value, column) => cellOf(value, column, sweep.directory)));
      // Runs are sorted by their number, not by their name.
      return { row, keys: [Number(run.slice(run.lastIndexOf(".") + 1)), ...cells.slice(1)] };
    });
    const body = document.createElement("tbody");
    body.append(...rows.map(({ row }) => row));
    const heads = names.map((name, column) => {
      const head = document.createElement("th");
      const button = head.appendChild(document.createElement("button"));
      button.type = "button";
      button.textContent = name;
      head.scope = "col";
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        rows.sort((a, b) => compare(a.keys[column], b.keys[column], sign));
        body.append(...rows.map(({ row }) => row));
      });
      return head;
    });
    table.createTHead().insertRow().append(...heads);
    table.append(body);
    table.closest("section").querySelector(".filter").addEventListener("input", (event) => {
      const wanted = event.target.value.toLowerCase();
      for (const { row } of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
  };
  Object.entries(sweeps).forEach(([prefix, sweep]) => tableOf(prefix, sweep));

  document.querySelectorAll(".copy").forEach((button) => button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl-C";
    }
  }));
})();
