// Node's servers, one for each line of the file that the failure table writes.
import { readFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'

for (const line of readFileSync(process.argv[2], 'utf8').trim().split('\n')) {
  const [port, version, alpn, cert, key, asks, status, ca, crl] = line.split('\t')
  const answer = (request, response) => {
    response.writeHead(Number(status))
    response.end()
  }
  server(version, alpn, { cert, key, asks, ca, crl }, answer).listen(Number(port), '127.0.0.1')
}

function server(version, alpn, { cert, key, asks, ca, crl }, answer) {
  if (version === 'none') return http.createServer(answer)
  const options = {
    cert: readFileSync(cert),
    key: readFileSync(key),
    minVersion: version,
    maxVersion: version,
    ciphers: 'ALL:@SECLEVEL=0',
    ...(asks !== 'never' && { requestCert: true, rejectUnauthorized: asks === 'always', ca: readFileSync(ca), crl: readFileSync(crl) }),
  }
  return alpn === 'h2' ? http2.createSecureServer(options, answer) : https.createServer(options, answer)
}
