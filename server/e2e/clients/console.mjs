// A real browser on the console: its pages by day and night, on a phone and a
// desk, judged by axe-core, and the console used by keyboard. Pictures of all of
// it are taken where DRAWBRIDGE_PICTURES asks for them: they cost minutes.
//
// usage: node console.mjs /path/to/chromium [ARGUMENT OF CHROMIUM...]
// Lines of JSON. In: {"do":"pictures","link":…,"path":…,"lang":…,"file":…,"fill":…,"press":…} or
// {"do":"steps","link":…,"steps":[…],"keep":…,"width":…}. Out: {"problems":[…],"texts":[…]}.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import readline from 'node:readline';
import { chromium } from 'playwright-core';

const browser = await chromium.launch({ executablePath: process.argv[2], args: process.argv.slice(3) });
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const views = [
  { name: 'light-phone', colorScheme: 'light', viewport: { width: 390, height: 844 }, judged: 'ja' },
  { name: 'dark-phone', colorScheme: 'dark', viewport: { width: 390, height: 844 } },
  { name: 'light-desk', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'dark-desk', colorScheme: 'dark', viewport: { width: 1280, height: 800 }, judged: 'en' },
];

// open opens a page in a fresh profile, which notes what the page complains of.
async function open(url, view, lang, problems) {
  const context = await browser.newContext({ ...view, locale: lang, ignoreHTTPSErrors: true, permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  page.on('console', (message) => {
    const { url } = message.location();
    const refused = message.text().startsWith('Failed to load resource') && !url.endsWith('.js') && !url.endsWith('.css');
    if (message.type() === 'error' && !refused) problems.push(`${view.name}: ${message.text()}`);
  });
  page.on('pageerror', (err) => problems.push(`${view.name}: ${err.message}`));
  await page.goto(url);
  return page;
}

// settled waits until a page of the console stands there.
const settled = (page) => page.waitForFunction(() => !document.documentElement.hasAttribute('data-busy') && !document.querySelector('main p#flash')?.textContent.match(/^(Opening|読み込み中)/));

async function pictures({ link, path, lang, file, fill, press }) {
  const problems = [];
  const texts = [];
  const page = await open(link.includes('#') ? link.replace('/#', `${path}#`) : link + path, views[0], lang, problems);
  await settled(page);
  for (const [field, text] of Object.entries(fill ?? {})) await page.fill(field, text);
  if (press) {
    await page.click(press);
    await settled(page);
  }
  const look = async ({ viewport, colorScheme }) => {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
  };
  const picture = async (name) => process.env.DRAWBRIDGE_PICTURES && page.screenshot({ path: `${file}-${name}.png`, fullPage: true });
  await page.evaluate(() => scrollTo(0, 0));
  for (const view of process.env.DRAWBRIDGE_PICTURES ? views : []) {
    await look(view);
    await picture(view.name);
  }
  // Judged is what can be seen of it, with all that opens open.
  await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
  for (const view of views) {
    await look(view);
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    if (wide > room) problems.push(`${view.name}: ${wide} px wide, and there are ${room}`);
    texts.push(await page.evaluate(() => `${document.documentElement.lang} ${document.title}\n${document.body.innerText}`));
    await picture(`${view.name}-open`);
    // A rule of axe's looks at words, colours or sizes: two views show all of them.
    if (!process.env.DRAWBRIDGE_PICTURES && !lang.startsWith(view.judged)) continue;
    for (const found of await judge(page)) problems.push(`${view.name}: ${found}`);
  }
  await page.context().close();
  return { problems, texts };
}

// judge has axe look at the page from the devtools' side, which no policy of
// the page forbids.
async function judge(page) {
  const devtools = await page.context().newCDPSession(page);
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await devtools.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  await evaluate(`${axe}; 0`);
  const violations = await evaluate(`axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations.map((v) =>
    v.id + ': ' + v.help + ': ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')))`);
  return violations;
}

// tab moves the focus with the keyboard until it is on what selector names.
async function tab(page, selector) {
  for (let i = 0; i < 200; i += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate((s) => document.activeElement?.matches(s), selector)) return;
  }
  throw new Error(`the keyboard does not reach ${selector}`);
}

// steps uses the console without a mouse; "read" notes what it says.
// With "keep" the browser stays where it is for the next command.
let kept;
async function steps({ link, lang, steps, keep, width }) {
  const texts = [];
  const { page, problems } = kept ?? (await fresh(link, lang));
  const tabs = [page];
  if (width) await page.setViewportSize({ width, height: 800 });
  kept = undefined;
  for (const [verb, what, more] of steps) {
    const now = tabs.at(-1);
    await settled(now);
    const trouble = async (err) => {
      throw new Error(`${verb} ${what}: ${err.message}\n${await now.innerText('body').catch(() => '')}`);
    };
    if (verb === 'key') {
      await tab(now, what);
      await now.keyboard.press('Enter');
    } else if (verb === 'type') {
      await tab(now, what);
      await now.keyboard.type(more);
    } else if (verb === 'clear') {
      await tab(now, what);
      await now.keyboard.press('Control+A');
      await now.keyboard.press('Delete');
    } else if (verb === 'wait') await now.waitForFunction((text) => document.body.innerText.includes(text) || document.title.includes(text), what, { timeout: 15_000 }).catch(trouble);
    else if (verb === 'gone') await now.waitForFunction((text) => !document.body.innerText.includes(text), what, { timeout: 15_000 }).catch(trouble);
    else if (verb === 'goto') await now.goto(what);
    else if (verb === 'back') await now.goBack();
    else if (verb === 'reload') await now.reload();
    else if (verb === 'tab') {
      tabs.push(await now.context().newPage());
      await tabs.at(-1).goto(what);
    } else if (verb === 'close') await tabs.pop().close();
    else if (verb === 'clipboard') texts.push(await now.evaluate(() => navigator.clipboard.readText()));
    else if (verb === 'download') {
      const [file] = await Promise.all([now.waitForEvent('download'), tab(now, what).then(() => now.keyboard.press('Enter'))]);
      texts.push(await readFile(await file.path(), 'utf8'));
    } else if (verb === 'eval') texts.push(String(await now.evaluate(what)));
    else if (verb === 'read') texts.push(await now.innerText(what));
    else if (verb === 'picture') await picture(now, what);
    else throw new Error(`no step ${verb}`);
  }
  if (keep) kept = { page, problems };
  else await page.context().close();
  return { problems, texts };
}

// picture shows the page by day and night, on a phone and a desk, as it stands.
async function picture(page, file) {
  for (const view of views) {
    await page.setViewportSize(view.viewport);
    await page.emulateMedia({ colorScheme: view.colorScheme });
    await page.screenshot({ path: `${file}-${view.name}.png`, fullPage: true });
  }
  await page.setViewportSize(views[0].viewport);
  await page.emulateMedia({ colorScheme: views[0].colorScheme });
}

async function fresh(link, lang) {
  const problems = [];
  return { page: await open(link, views[0], lang ?? 'en-GB', problems), problems };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const run = { pictures, steps }[command.do];
  console.log(JSON.stringify(await run(command).catch((err) => ({ problems: [err.message] }))));
}
await browser.close();
