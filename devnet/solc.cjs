#!/usr/bin/env node
// The command line of the Solidity compiler, as far as py-solc-x, Brownie and forge use it, over the JavaScript build from npm: for machines
// where no native compiler can be had. It is the same compiler and gives the same bytes.
const fs = require('node:fs');
const path = require('node:path');

// Whoever calls may stand in another folder, or reach this file through a link: modules are found from the real file.
const root = path.dirname(path.dirname(fs.realpathSync(__filename)));
const solc = require(require.resolve('solc', { paths: [root] }));

const args = process.argv.slice(2);
if (args.includes('--version')) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
  process.exit(0);
}
if (!args.includes('--standard-json') && args[0] !== '-') {
  console.error('solc.cjs: only --version and --standard-json are offered');
  process.exit(1);
}

const roots = [process.cwd()];
args.forEach((arg, i) => {
  if (arg === '--base-path' || arg === '--include-path') roots.push(args[i + 1]);
});

function read(name) {
  for (const folder of roots) {
    const file = path.resolve(folder, name);
    const inside = path.relative(path.resolve(folder), file);
    if (inside.startsWith('..') || path.isAbsolute(inside)) continue;
    if (fs.existsSync(file)) return { contents: fs.readFileSync(file, 'utf8') };
  }
  return { error: 'File not found' };
}

process.stdout.write(solc.compile(fs.readFileSync(0, 'utf8'), { import: read }));
