export { isBusy, whenFree } from './busy.ts';
export { nullable } from './columns.ts';
export { copyDatabase, KeepCopyError, keepCopy } from './keep-copy.ts';
export { DatabaseTooNewError, type Migration, openDatabase } from './open.ts';
export { change, rowOf, select } from './statements.ts';
