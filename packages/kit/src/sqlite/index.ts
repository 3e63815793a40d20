export { nullable } from './columns.ts';
export { KeepCopyError } from './keep-copy.ts';
export { DatabaseTooNewError, type Migration, openDatabase } from './open.ts';
