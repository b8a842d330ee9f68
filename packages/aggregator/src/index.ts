export { createScaleState, decideScale, type ScaleAnswer, type ScaleState } from "./decide-scale.ts";
export { LoadWindow } from "./load-window.ts";
