/** What a browser would obey if it were let into a document, by where it comes from. Each is known by its number. */
export const hostileWords = {
  relay: '<img src=x onerror=alert(10)>',
  task: '<img src=x onerror=alert(11)><script>alert(12)</script>',
  answer: '"></pre></title><svg onload=alert(13)><iframe srcdoc="<script>alert(14)</script>">',
  document:
    '<base href=//evil.example><meta http-equiv=refresh content="0;url=//evil.example"><style>*{display:none}</style>',
  stream:
    'x\revent: shown\rdata: <img src=x onerror=alert(15)>\r\r\n\nevent: shown\ndata: <img src=x onerror=alert(16)>\n\n',
  file: '<img src=x onerror=alert(17)>.txt',
  question: '<a href="javascript:alert(18)">Which',
  option: "'onfocus=alert(19) autofocus x='",
  name: '<form action=//evil.example><button>alert(20)</button>',
  node: '<svg onload=alert(22)>',
  typed: '"><script src=//evil.example/alert(21)></script>',
} as const;

/** What of them has become more than text in the document, looked for by a script in it. */
export const obeyed = `[...document.querySelectorAll('*')].flatMap((element) => {
  const bad = [...element.attributes].filter(({ name, value }) => name.startsWith('on')
    || (['src', 'href', 'action', 'formaction', 'srcdoc', 'content', 'style'].includes(name)
      && (value === 'x' || /alert\\(|evil\\.example|javascript:/.test(value))));
  const isBad = ['BASE', 'STYLE', 'IFRAME', 'OBJECT', 'EMBED', 'FRAME'].includes(element.tagName)
    || (element.tagName === 'META' && element.httpEquiv !== '')
    || (element.tagName === 'SCRIPT' && !new URL(element.src, location.href).pathname.startsWith('/assets/'));
  return isBad || bad.length > 0 ? [element.outerHTML.slice(0, 200)] : [];
})`;
