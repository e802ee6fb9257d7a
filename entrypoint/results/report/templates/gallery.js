"use strict";
// The gallery: the inputs that pass the filters, of which only those in sight are in the page.
const MIN_TILE = 176, ROW = 168, BEYOND = 2, NUMBERS = 6;
const SVG = "http://www.w3.org/2000/svg";
const byId = id => document.getElementById(id);
const grid = byId("grid");
const controls = { text: byId("text"), class: byId("class"), least: byId("least"), show: byId("show") };
let data, pictures, found = [], columns = 1, active = 0;
const tiles = new Map();

async function unpacked(text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

function make(name, parent, properties) {
  const element = document.createElement(name);
  Object.assign(element, properties);
  parent.append(element);
  return element;
}

function filters() {
  return { text: controls.text.value.toLowerCase(), class: controls.class.value, show: controls.show.value,
    least: Number(controls.least.value) * 10 };
}

function boxPasses(boxes, at, filter) {
  return boxes[at + 1] >= filter.least && (filter.class === "" || boxes[at] === Number(filter.class));
}

function passes(image, filter) {
  if (!image.lower.includes(filter.text)) return false;
  const boxes = image.b;
  if (filter.show === "failed") return !boxes;
  if (filter.show === "empty") return boxes && boxes.length === 0;
  if (filter.show === "all" && filter.class === "" && filter.least === 0) return true;
  if (!boxes) return false;
  for (let at = 0; at < boxes.length; at += NUMBERS) if (boxPasses(boxes, at, filter)) return true;
  return false;
}

function apply() {
  const filter = filters();
  found = [];
  data.images.forEach((image, index) => { if (passes(image, filter)) found.push(index); });
  active = 0;
  byId("least-shown").textContent = controls.least.value + " %";
  byId("count").textContent = found.length.toLocaleString("en") + " of " + data.images.length.toLocaleString("en");
  clear();
  place();
  remember();
}

function clear() {
  for (const tile of tiles.values()) tile.remove();
  tiles.clear();
}

function place() {
  const width = grid.clientWidth;
  const fitting = Math.max(1, Math.floor(width / Math.min(MIN_TILE, width / 2)));
  if (fitting !== columns) { columns = fitting; clear(); }
  grid.style.height = Math.ceil(found.length / columns) * ROW + "px";
  const top = -grid.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / ROW) - BEYOND) * columns;
  const last = Math.min(found.length, Math.max(0, Math.ceil((top + innerHeight) / ROW) + BEYOND) * columns);
  for (const [at, tile] of tiles) {
    if ((at < first || at >= last) && at !== active) { tile.remove(); tiles.delete(at); }
  }
  for (let at = first; at < last; at++) if (!tiles.has(at)) tiles.set(at, tileAt(at, width));
  // The one that the Tab key leads to is there even when it is out of sight.
  if (active < found.length && !tiles.has(active)) tiles.set(active, tileAt(active, width));
}

function tileAt(at, width) {
  const image = data.images[found[at]];
  const item = make("li", grid, {});
  item.setAttribute("aria-setsize", found.length);
  item.setAttribute("aria-posinset", at + 1);
  Object.assign(item.style, { width: 100 / columns + "%", height: ROW + "px", left: at % columns * 100 / columns + "%",
    top: Math.floor(at / columns) * ROW + "px" });
  const button = make("button", item, { type: "button", className: "tile", tabIndex: at === active ? 0 : -1 });
  button.onclick = () => open(at);
  button.onfocus = () => focusOn(at);
  const view = make("span", button, { className: "view" });
  show(image, found[at], view, true);
  const label = make("span", button, { className: "label" });
  make("bdi", make("span", label, { className: "name", title: image.f }), { textContent: image.f });
  if (image.b) make("span", label, { className: "many", textContent: (image.t ? "▶ " : "") + many(image) });
  return item;
}

// How many objects were found in it.
function many(image) {
  return (image.b.length / NUMBERS + (image.m || 0)).toLocaleString("en");
}

function linkTo(image) {
  return (image.l || "images/" + image.f).split("/").map(encodeURIComponent).join("/");
}

// The picture of an input: its thumbnail with the boxes that pass the filters, or the annotated image itself.
function show(image, index, parent, small) {
  if (!image.b) {
    if (small) { parent.classList.add("failed"); parent.textContent = image.e.split(":")[0]; }
    return;
  }
  const thumbnail = pictures[index] && "data:image/jpeg;base64," + pictures[index];
  const annotated = data.annotated && !image.t && linkTo(image);
  parent.classList.toggle("video", Boolean(image.t));
  const source = small ? thumbnail || annotated : annotated || thumbnail;
  if (!source) { outline(image, parent); return; }
  const picture = make("img", parent, { alt: "", loading: "lazy", decoding: "async" });
  if (source === thumbnail && !image.t) outline(image, parent);
  picture.onerror = () => {
    if (picture.src !== thumbnail && thumbnail) picture.src = thumbnail; else picture.remove();
    if (!image.t) outline(image, parent);
  };
  picture.src = source;
}

function outline(image, parent) {
  if (parent.querySelector("svg")) return;
  const drawing = document.createElementNS(SVG, "svg"), filter = filters();
  drawing.setAttribute("viewBox", `0 0 ${image.w} ${image.h}`);
  drawing.setAttribute("aria-hidden", "true");
  for (let at = image.b.length - NUMBERS; at >= 0; at -= NUMBERS) {
    if (!boxPasses(image.b, at, filter)) continue;
    const [kind, , x1, y1, x2, y2] = image.b.slice(at, at + NUMBERS);
    const box = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1,
      stroke: data.colours[kind] })) box.setAttribute(name, value);
    drawing.append(box);
  }
  parent.append(drawing);
}

function focusOn(at) {
  for (const place of [active, at]) {
    const tile = tiles.get(place);
    if (tile) tile.firstChild.tabIndex = place === at ? 0 : -1;
  }
  active = at;
}

function moveTo(at) {
  if (at < 0 || at >= found.length) return;
  const top = grid.getBoundingClientRect().top + Math.floor(at / columns) * ROW;
  const head = byId("filters").offsetHeight;
  if (top < head) scrollBy(0, top - head);
  if (top + ROW > innerHeight) scrollBy(0, top + ROW - innerHeight);
  place();
  const tile = tiles.get(at);
  if (tile) tile.firstChild.focus({ preventScroll: true });
}

grid.addEventListener("keydown", event => {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -active,
    End: found.length - 1 - active };
  if (!(event.key in steps)) return;
  event.preventDefault();
  moveTo(active + steps[event.key]);
});

function remember() {
  const state = new URLSearchParams();
  for (const [name, control] of Object.entries(controls)) {
    if (control.value !== initial[name]) state.set(name, control.value);
  }
  history.replaceState(null, "", "#" + state);
}

function recall() {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    if (name in controls) controls[name].value = value;
  }
}

const initial = Object.fromEntries(Object.entries(controls).map(([name, control]) => [name, control.value]));

function set(values) {
  for (const [name, value] of Object.entries(values)) controls[name].value = value;
  apply();
}

async function start() {
  data = await unpacked(byId("data").textContent);
  pictures = byId("thumbnails").textContent.split("\n");
  for (const image of data.images) image.lower = (image.f + "\n" + (image.e || "")).toLowerCase();
  data.classes.forEach((name, number) => make("option", controls.class, { value: number, textContent: name }));
  recall();
  apply();
  byId("filters").addEventListener("input", apply);
  byId("filters").addEventListener("submit", event => event.preventDefault());
  byId("reset").addEventListener("click", () => set(initial));
  addEventListener("hashchange", () => { recall(); apply(); });
  for (const event of ["scroll", "resize"]) addEventListener(event, () => requestAnimationFrame(place), { passive: true });
  for (const button of document.querySelectorAll("button.link")) {
    const wanted = { ...initial, ...button.dataset };
    button.onclick = () => { set(wanted); byId("inputs").scrollIntoView(); };
  }
  document.documentElement.dataset.ready = Math.round(performance.now());
}
