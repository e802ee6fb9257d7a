// The dialog with one input, its detections in words, and arrow keys to the next.
const MOST_ROWS = 200;
const dialog = byId("detail");
let at = 0;

function open(place) {
  at = place;
  const index = found[at], image = data.images[index];
  byId("detail-file").textContent = image.f;
  byId("picture").replaceChildren();
  byId("picture").style.aspectRatio = image.t ? "16 / 9" : `${image.w} / ${image.h}`;
  show(image, index, byId("picture"), false);
  if (image.t && data.annotated) film(image);
  byId("detail-text").textContent = words(image);
  rows(image);
  byId("previous").disabled = at === 0;
  byId("next").disabled = at === found.length - 1;
  if (!dialog.open) dialog.showModal();
}

function film(image) {
  byId("picture").replaceChildren();
  make("video", byId("picture"), { controls: true, preload: "metadata", src: linkTo(image) });
}

function words(image) {
  if (!image.b) return image.e + ". " + (data.advice[image.e.split(":")[0]] || "");
  const more = image.m ? `, and ${image.m} that are less certain` : "";
  const count = image.b.length / NUMBERS;
  const objects = count === 0 ? "nothing found" : count === 1 ? "1 object" : `${count} objects`;
  return `${image.w} × ${image.h} pixels, ${objects}${more}.`;
}

function rows(image) {
  const table = byId("detections"), body = table.tBodies[0], boxes = image.b || [];
  body.replaceChildren();
  table.hidden = boxes.length === 0;
  table.className = image.t ? "video" : "still";
  for (let box = 0; box < Math.min(boxes.length, MOST_ROWS * NUMBERS); box += NUMBERS) {
    const [kind, confidence, x1, y1, x2, y2] = boxes.slice(box, box + NUMBERS);
    const row = make("tr", body, {});
    const name = make("td", row, {});
    make("span", name, { className: "swatch" }).style.background = data.colours[kind];
    name.append(data.classes[kind]);
    make("td", row, { textContent: (confidence / 1000).toFixed(3) });
    make("td", row, { textContent: `${x1}, ${y1} to ${x2}, ${y2}` });
    make("td", row, { className: "time", textContent: image.t ? image.t[box / NUMBERS].toFixed(2) + " s" : "" });
  }
}

function step(by) {
  if (at + by >= 0 && at + by < found.length) open(at + by);
}

byId("previous").onclick = () => step(-1);
byId("next").onclick = () => step(1);
byId("close").onclick = () => dialog.close();
dialog.addEventListener("close", () => moveTo(at));
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("keydown", event => {
  if (event.target.tagName === "VIDEO") return;
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});

start().catch(error => { byId("count").textContent = "The gallery cannot be shown: " + error.message; });
