/**
 * Shell functions that print what opencode 1.18.33 prints, one JSON document a line, for executables in its place:
 * `begins`, `says <text>`, `ends`. `$session` has to be set.
 */
export const opencodeLines = `
print() { printf '{"type":"%s","timestamp":1,"sessionID":"%s","part":{"id":"prt_1","messageID":"msg_1","sessionID":"%s",%s}}\\n' "$1" "$session" "$session" "$2"; }
begins() { print step_start '"type":"step-start"'; }
says() { print text "\\"type\\":\\"text\\",\\"text\\":\\"$1\\",\\"time\\":{\\"start\\":1,\\"end\\":2}"; }
ends() { print step_finish '"reason":"stop","type":"step-finish","tokens":{"total":30,"input":20,"output":10,"reasoning":0,"cache":{"write":0,"read":0}},"cost":0'; }
`;
