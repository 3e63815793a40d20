/** Whether a text is meant as a Lightning address (LUD-16) or an LNURL (LUD-01), and so is no invoice. */
export const isLightningAddress = (text: string): boolean =>
  text.includes('@') || /^\s*(?:lightning:)?lnurl1/i.test(text);
