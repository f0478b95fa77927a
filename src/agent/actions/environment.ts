/** Whether a setting of an action is switched on, with the words that Tinkerbell's actions take for it. */
export const isTrue = (text: string | undefined) => /^(1|t|true)$/i.test(text ?? '')
