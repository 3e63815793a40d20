declare const brand: unique symbol;

/** A nominal type: a `T` that has passed the check that `Name` stands for. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
