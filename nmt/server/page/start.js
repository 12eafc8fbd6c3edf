// The page is painted before its scripts are fetched and run; these are then fetched at once.
const SCRIPTS = ["page", "backend", "pointing", "view", "words"];

// Part of a page may be painted before the rest has arrived, which the scripts need.
addEventListener("DOMContentLoaded", () =>
  requestAnimationFrame(() => setTimeout(() => SCRIPTS.forEach((name) => import(`./${name}.js`)))),
);
