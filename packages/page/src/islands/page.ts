import { copyTexts } from './copy.ts';
import { doCommands } from './does.ts';
import { keepLive } from './live.ts';
import { offerSignIn } from './sign-in.ts';

offerSignIn(document);
doCommands(document);
keepLive(document);
copyTexts(document);
