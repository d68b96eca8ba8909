// Send messages with nodemailer: the transport's options and a list of messages come as JSON on standard input, what
// became of each goes as JSON to standard output.
const nodemailer = require(process.argv[2] + '/node_modules/nodemailer')

async function main () {
  const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'))
  const transport = nodemailer.createTransport(asked.transport)
  const results = await Promise.all(asked.messages.map(message =>
    transport.sendMail(message).then(
      info => ({ accepted: info.accepted, rejected: info.rejected, response: info.response }),
      error => ({ error: error.message, code: error.responseCode, rejected: error.rejected }))))
  transport.close()
  console.log(JSON.stringify(results))
}

main()
