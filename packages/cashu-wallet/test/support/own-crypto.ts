/** What is written by hand beside cashu-ts: for the tests and the benchmark that hold it against cashu-ts. */
export { CurveError, unblind } from '../../src/crypto/unblind.ts';
