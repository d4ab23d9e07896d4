import config from "./playwright.config.ts";

const { launchOptions, ...use } = config.use ?? {};

export default {
  ...config,
  testMatch: "screenshots.ts",
  timeout: 240_000,
  use: {
    ...use,
    launchOptions: {
      ...launchOptions,
      args: [...(launchOptions?.args ?? []), "--hide-scrollbars"],
    },
  },
};
