// SPDX-License-Identifier: BSD-3-Clause
// npm's imapflow against one server: imapflow.mjs HOST PORT USER PASSWORD FOLDER CA
// (no CA: nothing is verified). Prints what it found as JSON.
import {createHash} from "node:crypto";
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";

const require = createRequire(new URL("../../build/packages/", import.meta.url));
const {ImapFlow} = require("imapflow");
const [host, port, user, pass, folder, ca] = process.argv.slice(2);

function client()
{
    return new ImapFlow({host, port: Number(port), secure: Boolean(ca), auth: {user, pass},
                         logger: false,
                         tls: ca ? {ca: readFileSync(ca)} : {rejectUnauthorized: false}});
}

async function mails(flow)
{
    const found = {};
    const opened = await flow.mailboxOpen(folder, {readOnly: true});
    for await (const mail of flow.fetch("1:*", {uid: true, envelope: true, source: true}))
        found[mail.uid] = [mail.envelope.subject,
                           createHash("sha256").update(mail.source).digest("hex")];
    return {count: opened.exists, found};
}

// A second connection appends; how long until the first one, which idles, hears of it.
async function notified(flow)
{
    const name = "Entwürfe & Söhne ✉";
    await flow.mailboxCreate(name);
    await flow.mailboxOpen(name);
    const other = client();
    await other.connect();
    const heard = new Promise(resolve => flow.once("exists", event => resolve(event.count)));
    const idle = flow.idle();
    await new Promise(resolve => setTimeout(resolve, 200));
    const begun = Date.now();
    await other.append(name, Buffer.from("Subject: Grüße\r\n\r\nHörst du?\r\n"));
    const count = await heard;
    const ms = Date.now() - begun;
    await flow.noop(); // ends IDLE
    await idle;
    const listed = (await other.list()).map(box => box.path).includes(name);
    await flow.mailboxClose();
    await other.mailboxDelete(name);
    await other.logout();
    return {count, ms, listed};
}

const flow = client();
await flow.connect();
const result = {mails: await mails(flow), idle: await notified(flow)};
await flow.logout();
console.log(JSON.stringify(result));
