"""Why two servers answer one request differently: the rules of test_rest_differences.py."""
import re

from rest_compare import MISSING, rule

VARIES = ("key-order",)  # how often: Mailman's sets are ordered by where its objects lie in memory

HELD_ONLY_THERE = ("received_time", "to_list", "version", "_parsemsg", "lang", "envsender", "rule_hits", "rule_misses",
                   "moderation_sender", "member_moderation_action", "key", "original_sender", "type")


def statuses(d, theirs, ours):
    return d.where == "status" and (d.mailman[0], d.postroad[0]) == (theirs, ours)


def last(d):
    return d.what[-1] if d.what else None


def told(answer):
    """What an error says."""
    return str(answer[1].get("description", "")) if isinstance(answer[1], dict) else ""


def config(d):
    return re.fullmatch(r"lists/[^/]+/config(/\w+)?", d.step.path) is not None


@rule("mitigation-of-our-own", "dmarc_mitigate_action knows a value more: rewrite, to an address of ours that answers come back by")
def _(d):
    return last(d) == "description" and "dmarc_mitigate_action" in str(d.postroad) and str(d.postroad) == str(d.mailman).replace("discard.", "discard, rewrite.")


# ---- whoever asks for whatever ----

@rule("mailman-fails", "Mailman has an error of its own and answers with 500")
def _(d):
    return d.where == "status" and d.mailman[0] == 500 and d.postroad[0] < 500


@rule("credentials", "what are no credentials gets 401; Mailman fails to take them apart and says 400")
def _(d):
    return statuses(d, 400, 401) and "values to unpack" in told(d.mailman)


@rule("no-method", "a method that HTTP has not gets 405 like any other that is not there")
def _(d):
    return statuses(d, 400, 405) and told(d.mailman) == "Invalid HTTP method"


@rule("path-goes-on", "a path that goes on behind its end is unknown, 404; some of Mailman's are a bad request")
def _(d):
    return statuses(d, 400, 404) and d.mailman[1] == {"title": "400 Bad Request"}


@rule("not-found-words", "of what is not there some answers have a description that says 404 again, with the charset that goes with it, and "
      "some have none")
def _(d):
    return d.answers[0].status == d.answers[1].status == 404 and (
        d.where == "content-type" or last(d) == "description" and "404 Not Found" in (d.mailman, d.postroad))


@rule("reserved-methods", "each path under reserved has the one method that does something")
def _(d):
    return d.where == "allow" and d.step.path.startswith("reserved/")


# ---- what a server says about itself ----

@rule("versions", "of Python's version we name what clients may go by; ours is in the field Server")
def _(d):
    return d.step.path in ("system", "system/versions") and last(d) == "python_version"


@rule("configuration", "system/configuration shows Mailman's defaults with this server's places, and nothing about passwords, databases and "
      "classes, in the order of its schema")
def _(d):
    return d.step.path.startswith("system/configuration/") and d.where in ("value", "keys", "missing", "more")


@rule("queues", "queues show what waits in the store, by the names that we give it; there are no folders")
def _(d):
    return d.step.path.startswith("queues") and (d.where == "location" or "files" in d.what or last(d) in ("directory", "count"))


@rule("queue-in", "a message is brought in by the queues in, command and bounces; no other takes one")
def _(d):
    return d.step.path.startswith("queues/") and d.step.method in ("POST", "DELETE") and (
        statuses(d, 201, 400) or statuses(d, 400, 404) and told(d.mailman) != "" or statuses(d, 204, 404) or
        d.where == "value" and last(d) == "description" and d.postroad.startswith("No message is taken"))


# ---- how something is said ----

def odd_json(d):
    return d.step.as_json and any(not isinstance(v, str) for v in d.step.data.values())


@rule("json-types", "a value in JSON is read as the text it would be in a form, null as none, an object not at all; Mailman takes some of another "
      "type and has Python's words for others")
def _(d):
    return config(d) and odd_json(d) and (statuses(d, 204, 400) or statuses(d, 400, 204) or d.answers[0].status == d.answers[1].status == 400)


@rule("json-body", "a body in JSON is one object whose names are there once, or empty; Mailman takes null and lists, and the last of two")
def _(d):
    return config(d) and d.step.as_json and d.step.raw is not None and (
        statuses(d, 204, 400) or statuses(d, 400, 204) and d.step.raw == b"" or
        d.answers[1].status == 400 and "Unknown attribute" in str(d.answers[0].body))


@rule("json-words", "what is wrong with a body in JSON is said in the words of our reader")
def _(d):
    return d.step.raw is not None and d.where == "value" and last(d) == "description" and all(
        one.startswith("Could not parse JSON body - ") for one in (d.mailman, d.postroad))


@rule("form-body", "a body that is not JSON is a form in UTF-8; Mailman puts up with other octets, and does not read other types")
def _(d):
    return d.step.raw in (b"description=%ff", b"<a/>") and statuses(d, 204, 400)


@rule("key-order", "keys stand in the alphabet's order, or the request's; Mailman's come from a set")
def _(d):
    return d.where == "keys" and d.step.path.endswith(("/archivers", "/roster/member"))


@rule("aliases-lost", "settings that are refused stay; Mailman has emptied acceptable_aliases by then")
def _(d):
    return config(d) and d.where == "length" and last(d) == "acceptable_aliases" and d.mailman == []


@rule("id-words", "a user who is not there is named as the request named him; Mailman puts hyphens in at one place")
def _(d):
    return d.step.path.endswith("/user") and d.where == "value" and last(d) == "description" and d.mailman.replace("-", "") == d.postroad.replace("-", "")


@rule("percent", "a % in a link is escaped, or the link would lead elsewhere")
def _(d):
    return d.where in ("value", "location") and isinstance(d.mailman, str) and d.mailman.replace("%", "%25") == d.postroad


@rule("users-words", "POST users says what is missing without \"Invalid email address\" in front")
def _(d):
    return d.step.path == "users" and last(d) == "description" and d.mailman == "Invalid email address " + str(d.postroad)


@rule("position-words", "a position below 0 is refused as other numbers below 0 are")
def _(d):
    return d.step.data.get("position") == "-1" and last(d) == "description"


@rule("empty-is-none", "an empty text of a domain is none, and shown so")
def _(d):
    return d.step.path.startswith("domains") and last(d) in ("alias_domain", "description") and (d.mailman, d.postroad) == ("", None)


@rule("list-name-words", "a list's name is refused by itself when it is that what is wrong")
def _(d):
    return d.step.path == "lists" and d.where == "value" and last(d) == "description" and d.mailman.startswith("Invalid list posting address") and (
        d.postroad.startswith("Invalid list name"))


# ---- what is taken ----

@rule("any-case", "names of lists, domains, fields and banned addresses are found, and made, in any case of their letters")
def _(d):
    mentions = f"{d.step.path} {' '.join(map(str, d.step.data.values()))}"
    if statuses(d, 404, 200):
        return re.search(r"[A-Z]", mentions) is not None or d.step.path == "domains/upper.example"
    if statuses(d, 201, 400):
        return d.step.path == "bans" and "already banned" in told(d.postroad)
    return d.where == "location" and d.mailman.lower().replace("http://here", "") == d.postroad.lower().replace("http://here", "") and (
        "%" not in d.postroad)


@rule("no-mail-name", "a domain or address that mail cannot have is refused, and so is an empty one")
def _(d):
    return statuses(d, 201, 400) and (d.step.path == "domains" or d.step.path == "users" and d.step.data.get("email") == "" or
                                      ".." in d.step.data.get("subscriber", ""))


@rule("more-addresses", "addresses with letters beyond ASCII, quotes or a literal are taken; blanks around one are left off")
def _(d):
    return statuses(d, 400, 201) and d.step.path == "members" and told(d.mailman) == 'Invalid Parameter "subscriber": .'


@rule("no-style", "a style that is not there is refused; Mailman makes a list without any")
def _(d):
    return statuses(d, 201, 400) and told(d.postroad).startswith("No such style")


@rule("no-style-set", "Mailman's private style leaves settings at nothing that have a value everywhere else")
def _(d):
    return config(d) and d.where == "value" and d.mailman is None and last(d) in (
        "first_strip_reply_to", "reply_goes_to_list", "reply_to_address")


@rule("empty-pattern", "a pattern that is empty is refused: it would be found in every message")
def _(d):
    return statuses(d, 201, 400) and d.step.data.get("pattern") == ""


@rule("bounds", "settings have bounds: days, warnings, one line where one line is shown, expressions that can be read, actions that a "
      "filter has")
def _(d):
    return config(d) and not d.step.as_json and statuses(d, 204, 400) and d.step.raw is None and d.step.version == "3.1"


@rule("old-places", "places of texts are under uris, of settings in version 3.0 they are none")
def _(d):
    return config(d) and d.step.version == "3.0" and (
        statuses(d, 204, 400) or statuses(d, 200, 404) or d.where == "missing" and last(d).endswith("_uri"))


# ---- people and posts ----

@rule("own-request", "a request to join or leave is found below its own list; Mailman shows it below any")
def _(d):
    return statuses(d, 200, 404) and d.step.path == "lists/bee.example.org/requests/<token_moderate_2>"


@rule("passwords", "passwords are kept by Argon2id, and shown as they are kept")
def _(d):
    return last(d) in ("password", "moderator_password") and str(d.postroad).startswith("$argon2id$")


@rule("nobody", "every address has a user; one of whom nothing is known but that address counts as nobody, and can be given away")
def _(d):
    return "una3@x.example" in d.step.path and (statuses(d, 404, 200) or statuses(d, 404, 204) or d.where == "more" and last(d) == "user")


@rule("moderator-decides", "leaving with pre_confirmed leaves the moderator's part of confirm_then_moderate to the moderator")
def _(d):
    return "leave" in d.step.path and "confirm_then_moderate" in d.step.path and (
        statuses(d, 204, 202) or statuses(d, 404, 200) or statuses(d, 404, 204))


@rule("leaves-once", "a second request to leave while one waits is a conflict")
def _(d):
    return statuses(d, 202, 409) and d.step.method == "DELETE" and told(d.postroad) == "Unsubscription request already pending"


@rule("nothing-chosen", "preferences show what was chosen; Mailman sets language and delivery of owners, moderators and nonmembers itself")
def _(d):
    return d.step.path.endswith("/preferences") and d.where == "missing" and last(d) in ("preferred_language", "delivery_mode")


@rule("held-fields", "of a held post there is what a moderator needs, with the rule that held it; not what Mailman's rules leave behind")
def _(d):
    return "/held" in d.step.path and (d.where == "missing" and last(d) in HELD_ONLY_THERE or d.where == "more" and last(d) == "rule")


@rule("held-message", "a held post is what came, with our Received; Mailman adds fields for its own parts")
def _(d):
    def bare(text):
        text = re.sub(r"(?m)^(Message-ID-Hash|X-Message-ID-Hash|X-MailFrom|X-Mailman-Rule-\w+|Received):.*\n([ \t].*\n)*", "", text)
        return text.rstrip("\n")
    return "/held" in d.step.path and last(d) == "msg" and MISSING not in (d.mailman, d.postroad) and bare(d.mailman) == bare(d.postroad)
