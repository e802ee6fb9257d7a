// Goes through a report as its reader would, and prints what it saw as JSON. Arguments: modules, page, pictures' folder.
const [modules, page_path, pictures] = process.argv.slice(2);
const { chromium } = require(modules + "/node_modules/playwright-core");
const axe = modules + "/node_modules/axe-core/axe.min.js";
const looks = { light: {}, dark: { colorScheme: "dark" }, phone: { viewport: { width: 390, height: 844 } } };

async function examined(page) {
  // Read into the page by the debugger, which the page's policy does not concern.
  await page.evaluate(require("fs").readFileSync(axe, "utf8"));
  const { violations } = await page.evaluate(() => axe.run());
  return violations.map(found => `${found.id}: ${found.nodes.map(node => node.target).join(" ")}`);
}

async function opened(browser, look, seen) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 }, ...looks[look] })).newPage();
  page.on("dialog", dialog => { seen.alarms.push(dialog.message()); dialog.dismiss(); });
  page.on("pageerror", error => seen.alarms.push(error.message));
  page.on("console", message => { if (/Content.Security/.test(message.text())) seen.alarms.push(message.text()); });
  page.on("request", request => { if (!/^(file|data|blob):/.test(request.url())) seen.alarms.push(request.url()); });
  await page.goto("file://" + page_path);
  await page.waitForSelector("html[data-ready]");
  return page;
}

const text = (page, selector) => page.textContent(selector);

(async () => {
  const seen = { alarms: [], axe: [], steps: {} }, steps = seen.steps;
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  for (const look of Object.keys(looks)) {
    const page = await opened(browser, look, seen);
    seen.axe.push(...await examined(page));
    if (pictures) await page.screenshot({ path: `${pictures}/${look}.png` });
    await page.click(".tile >> nth=0");
    seen.axe.push(...await examined(page));
    if (pictures) await page.screenshot({ path: `${pictures}/${look}-detail.png` });
    steps.wider = Math.max(steps.wider || 0, await page.evaluate(() => document.documentElement.scrollWidth - innerWidth));
    await page.close();
  }
  const page = await opened(browser, "light", seen);
  steps.ready = Number(await page.evaluate(() => document.documentElement.dataset.ready));
  steps.all = await text(page, "#count");
  steps.nodes = await page.evaluate(() => document.querySelectorAll("*").length);
  steps.filter = await page.evaluate(() => Math.min(...["1", "2", ""].map(kind => {
    const began = performance.now();
    set({ ...initial, class: kind, least: "50", text: "a" });
    return performance.now() - began;
  })));
  await page.click("#reset");
  await page.selectOption("#class", "1");
  await page.fill("#least", "60");
  steps.filtered = await text(page, "#count");
  steps.hash = await page.evaluate(() => location.hash);
  await page.reload();
  await page.waitForSelector("html[data-ready]");
  steps.recalled = await text(page, "#count");
  await page.click("#reset");
  await page.focus(".tile >> nth=0");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  steps.second = await text(page, "#detail-file");
  steps.rows = await page.locator("#detections tbody tr").count();
  await page.keyboard.press("ArrowRight");
  steps.third = await text(page, "#detail-file");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.activeElement.className === "tile");
  steps.focused = await page.evaluate(() => document.activeElement.querySelector(".name")?.textContent);
  await page.keyboard.press("End");
  steps.last = await page.evaluate(() => document.activeElement.querySelector(".name")?.textContent);
  await page.click("button[data-show]");
  steps.failed = await text(page, "#count");
  await page.click(".tile >> nth=0");
  steps.advice = await text(page, "#detail-text");
  await page.keyboard.press("Escape");
  steps.link = await page.evaluate(() => linkTo({ f: "a b/ü (1)#%?.jpg" }));
  steps.hacked = await page.evaluate(() => window.hacked ?? null);
  await browser.close();
  console.log(JSON.stringify(seen));
})();
