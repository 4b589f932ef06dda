// Hill climbing on Rosenbrock's valley, in node: the options come as --name=value, the loss is printed on the way.
const options = Object.fromEntries(
  process.argv.slice(2).map((word) => word.replace(/^--/, "").split("=")).map(([name, value]) => [name, Number(value)]),
);
const { step = 0.1, decay = 0.99, seed = 0 } = options;

let state = (seed >>> 0) + 1;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const normal = () => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());
const loss = ([x, y]) => (1 - x) ** 2 + 100 * (y - x * x) ** 2;

let point = [-1, 1];
let size = step;
for (let iteration = 1; iteration <= 2000; iteration += 1) {
  const next = point.map((value) => value + size * normal());
  if (loss(next) < loss(point)) point = next;
  size *= decay;
  if (iteration % 200 === 0) console.log(`iteration=${iteration} loss=${loss(point).toPrecision(6)}`);
}
