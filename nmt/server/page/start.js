// The page is painted before its scripts are fetched and run; these are then fetched at once.
const SCRIPTS = ["page", "backend", "pointing", "view", "words"];

requestAnimationFrame(() => setTimeout(() => SCRIPTS.forEach((name) => import(`./${name}.js`))));
