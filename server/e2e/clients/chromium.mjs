// A real browser on Drawbridge's pages: by day and night, on a phone and a desk
// (with pictures, where DRAWBRIDGE_PICTURES asks for them), and a whole sign-in
// with nothing but the keyboard.
//
// usage: node chromium.mjs /path/to/chromium
// Lines of JSON. In: {"do":"pictures","url":…,"file":…} or
// {"do":"signIn","url":…,"user":…}. Out: {"problems":[…],"texts":[…]} or
// {"problems":[…],"url":…}.
import readline from 'node:readline';
import { chromium } from 'playwright-core';

const browser = await chromium.launch({ executablePath: process.argv[2] });
const views = [
  { name: 'light-phone', colorScheme: 'light', viewport: { width: 390, height: 844 } },
  { name: 'dark-phone', colorScheme: 'dark', viewport: { width: 390, height: 844 } },
  { name: 'light-desk', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'dark-desk', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
];

// open opens a page in a fresh profile, which notes what the page complains of.
async function open(url, view, problems) {
  const context = await browser.newContext(view);
  const page = await context.newPage();
  page.on('console', (message) => {
    // the status of an error page is no complaint
    const own = message.text().startsWith('Failed to load resource') && message.location().url === page.url();
    if (message.type() === 'error' && !own) problems.push(`${view.name}: ${message.text()}`);
  });
  page.on('pageerror', (err) => problems.push(`${view.name}: ${err.message}`));
  await page.goto(url);
  return page;
}

async function pictures({ url, file }) {
  const problems = [];
  const texts = [];
  for (const view of views) {
    const page = await open(url, view, problems);
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    if (wide > room) problems.push(`${view.name}: ${wide} px wide, and there are ${room}`);
    if (!(await page.evaluate(() => document.documentElement.lang && document.title))) problems.push(`${view.name}: no language or title`);
    texts.push(await page.evaluate(() => [document.body.innerText, ...[...document.querySelectorAll('textarea')].map((area) => area.value)].join('\n')));
    if (process.env.DRAWBRIDGE_PICTURES) await page.screenshot({ path: `${file}-${view.name}.png`, fullPage: true });
    await page.context().close();
  }
  return { problems, texts };
}

// press moves the focus with Tab until it is on the button, and presses it.
async function press(page, selector) {
  for (let i = 0; i < 30; i += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate((s) => document.activeElement?.matches(s), selector)) {
      await page.keyboard.press('Enter');
      return;
    }
  }
  throw new Error(`the keyboard does not reach ${selector}`);
}

async function signIn({ url, user }) {
  const problems = [];
  const page = await open(url, views[0], problems);
  await press(page, 'button[name=action][value=approve]');
  await page.waitForSelector(`button[name=user][value=${user}]`);
  await press(page, `button[name=user][value=${user}]`);
  await page.waitForSelector('#client-page'); // where the test's client waits
  const end = page.url();
  await page.context().close();
  return { problems, url: end };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const run = { pictures, signIn }[command.do];
  console.log(JSON.stringify(await run(command).catch((err) => ({ problems: [err.message] }))));
}
await browser.close();
