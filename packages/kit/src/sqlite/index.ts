export { jsonColumn, nullable } from './columns.ts';
export { type Migration, openDatabase } from './open.ts';
