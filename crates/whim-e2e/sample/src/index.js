export { titleCase } from "./title-case.js";
