// A real browser that opens a page of another origin, which signs in and calls a
// tool by itself (origin.html). The person only presses the two buttons.
//
// usage: node origin.mjs /path/to/chromium RESOLVER-RULES URL USER
// Out: {"texts":[what the page says in the end]}
import { chromium } from 'playwright-core';

const [path, rules, url, user] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: path, args: [`--host-resolver-rules=${rules}`] });
const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage(); // certificates of the tests' own
try {
  await page.goto(url);
  await page.click('button[name=action][value=approve]');
  await page.click(`button[name=user][value=${user}]`);
  await page.waitForSelector('#done');
  console.log(JSON.stringify({ texts: [await page.evaluate(() => document.body.innerText)] }));
} catch (err) {
  console.log(JSON.stringify({ problems: [err.message, await page.evaluate(() => document.body.innerText)] }));
}
await browser.close();
