"""Steps about people: members, rosters, users, addresses, preferences, and who waits to join or leave."""
from rest_steps import ANT, BEE, DONE, ask, both, each, get, make

ENTRY = ("entries", 0)


def member(name, list_id, subscriber, **data):
    make("members", name, list_id=list_id, subscriber=subscriber, **{**DONE, **data})


for name in ("pol", "frog", "goat", "hare"):
    make("lists", fqdn_listname=f"{name}@example.org")
POL, FROG, GOAT = "pol.example.org", "frog.example.org", "goat.example.org"

# ---- members ----

get("members")
member("ada", ANT, "Ada@x.example", display_name="Ada L.")
get("members")
get("members/<ada>")
get("members", {"version": "3.0", "keeps": {"old_ada": (*ENTRY, "member_id")}})
get("members/<old_ada>", {"version": "3.0"})
get("members/<old_ada>/preferences", {"version": "3.0"})
get(f"lists/{ANT}/member/ada@x.example")
get(f"lists/{ANT}/member/ADA@x.example")
get("lists/ant@example.org/member/ada@x.example", {"keeps": {"ada_user": ("user",)}})
make("members", "bob", as_json=True, list_id=ANT, subscriber="bob@x.example", display_name="Bob", **DONE)
make("members", "cyd", as_json=True, list_id=ANT, subscriber="cyd@x.example", pre_verified=True, pre_confirmed=True, pre_approved=True)
for mode in "regular", "plaintext_digests", "mime_digests", "summary_digests", "bogus", "":
    member(f"mode_{mode}", ANT, f"mode-{mode}@x.example", delivery_mode=mode)
    get(f"members/<mode_{mode}>")
for status in "enabled", "by_user", "by_moderator", "by_bounces", "unknown", "bogus":
    member(f"status_{status}", ANT, f"status-{status}@x.example", delivery_status=status)
    get(f"members/<status_{status}>/preferences")
for role in "member", "owner", "moderator", "nonmember", "king", "":
    make("members", f"role_{role}", list_id=ANT, subscriber=f"role-{role}@x.example", role=role, display_name="Role",
         **(DONE if role == "member" else {}))
    get(f"members/<role_{role}>")
    get(f"members/<role_{role}>/preferences")
    get(f"lists/{ANT}/roster/{role}")
    get(f"lists/{ANT}/{role}/role-{role}@x.example")
    make("members", list_id=ANT, subscriber=f"role-{role}@x.example", role=role, **(DONE if role == "member" else {}))
make("members", list_id=ANT, subscriber="ada@x.example", role="owner", **DONE)
make("members", list_id=BEE, subscriber="ada@x.example", role="moderator", delivery_mode="mime_digests")
make("members", list_id=BEE, subscriber="eva@x.example", role="nonmember", delivery_status="by_user")
for data in ({}, {"list_id": ANT}, {"subscriber": "x@x.example"}, {"list_id": "nothing.example.org", "subscriber": "x@x.example"},
             {"list_id": "ant@example.org", "subscriber": "x@x.example"}, {"list_id": ANT, "subscriber": "no address"},
             {"list_id": ANT, "subscriber": ""}, {"list_id": ANT, "subscriber": "0000000000000000ffffffffffffffff"},
             {"list_id": ANT, "subscriber": "x@x.example", "colour": "red"},
             {"list_id": ANT, "subscriber": "ada@x.example", **DONE}, {"list_id": ANT, "subscriber": "ADA@X.EXAMPLE", **DONE},
             {"list_id": ANT, "subscriber": "x@x.example", "pre_verified": "maybe"},
             {"list_id": ANT, "subscriber": "x@x.example", "invitation": "maybe"},
             {"list_id": ANT, "subscriber": "x@x.example", "send_welcome_message": ""}):
    both("POST", "members", **data)
for address in "a+b@x.example", "o'neil@x.example", "two words@x.example", "x@", "@x", "x@y", "a/b@x.example", "<x@y.example>":
    make("members", "odd", list_id=FROG, subscriber=address, **DONE)
get(f"lists/{FROG}/roster/member")
get(f"lists/{FROG}/member/a%2Bb@x.example")
get(f"lists/{FROG}/member/a+b@x.example")
each("PATCH", "members/<bob>", {"delivery_mode": "mime_digests"}, {"delivery_mode": "bogus"}, {"moderation_action": "hold"},
     {"moderation_action": "bogus"}, {"address": "nobody@x.example"}, {"address": "ada@x.example"}, {"colour": "red"}, {},
     {"moderation_action": "reject", "delivery_mode": "regular"}, {"delivery_status": "by_user"}, {"role": "owner"})
get("members/<bob>")
ask("PATCH", "members/<bob>", {"as_json": True}, moderation_action="")
get("members/<bob>")
get("members/<bob>/all/preferences")
get("members/<bob>/all")
get("members/<bob>/preferences/more")
get("members/<bob>/nothing")
ask("PATCH", "members/nothing", delivery_mode="regular")
for method in "PUT", "POST", "OPTIONS":
    ask(method, "members/<bob>")
for path in ("members", f"lists/{ANT}/roster/member"):
    for pages in ({"count": "3", "page": "1"}, {"count": "3", "page": "3"}, {"count": "3", "page": "40"}, {"count": "0", "page": "1"}):
        get(path, **pages)
get(f"lists/{ANT}/roster/member", fields="email")
get(f"lists/{ANT}/roster/member", fields=["email", "role"])
get(f"lists/{ANT}/roster/member", fields="colour")
get("members", fields="email")
for method in "GET", "POST":
    each(method, "members/find", {}, {"list_id": ANT}, {"list_id": "nothing.example.org"}, {"list_id": "ant@example.org"},
         {"subscriber": "ada@x.example"}, {"subscriber": "ADA@X.example"}, {"subscriber": "*da@x*"}, {"subscriber": "role-*"},
         {"subscriber": "nobody"}, {"role": "owner"}, {"role": "king"}, {"list_id": ANT, "role": "nonmember"},
         {"moderation_action": "hold"}, {"moderation_action": "accept"}, {"moderation_action": ""}, {"moderation_action": "bogus"},
         {"delivery_mode": "mime_digests"}, {"delivery_mode": "regular"}, {"delivery_status": "by_user"}, {"delivery_status": "enabled"},
         {"delivery_status": "bogus"}, {"list_id": ANT, "subscriber": "ada@x.example", "role": "member"}, {"colour": "red"},
         {"list_id": ANT, "fields": ["email", "role"]}, {"list_id": ANT, "fields": "colour"})
    ask(method, "members/find", list_id=ANT, count="2", page="2")
get("members/find", {"version": "3.0"}, list_id=ANT, role="owner")
each("DELETE", "members/<cyd>", {"pre_confirmed": "maybe"}, {"colour": "red"}, {})
ask("DELETE", "members/<cyd>")
get("members/<cyd>")
ask("DELETE", "members/<role_owner>")
ask("DELETE", "members/<role_nonmember>")
ask("DELETE", f"lists/{ANT}/member/status-enabled@x.example")
ask("DELETE", f"lists/{ANT}/member/status-enabled@x.example")
ask("DELETE", f"lists/{ANT}/roster/member", emails=["status-by_user@x.example", "nobody@x.example", "no address"])
both("DELETE", f"lists/{ANT}/roster/member", emails=["status-by_moderator@x.example"])
ask("DELETE", f"lists/{ANT}/roster/member")
ask("DELETE", f"lists/{ANT}/roster/owner", emails=["ada@x.example"])
get(f"lists/{ANT}/roster/member")

# ---- policies, and who waits ----

ask("POST", "members", list_id=POL, subscriber="boss@x.example", role="owner")
for policy in "open", "confirm", "moderate", "confirm_then_moderate":
    ask("PATCH", f"lists/{POL}/config", subscription_policy=policy, unsubscription_policy="open")
    for number, flags in enumerate(({}, {"pre_verified": "1"}, {"pre_verified": "1", "pre_confirmed": "1"}, DONE, {"pre_approved": "1"},
                                    {"pre_confirmed": "1"}, {"invitation": "1"})):
        who = f"{policy.replace('_', '-')}-{number}@x.example"
        ask("POST", "members", {"keeps": {f"token_{policy}_{number}": ("token",)}}, list_id=POL, subscriber=who, **flags)
        ask("POST", "members", list_id=POL, subscriber=who, **flags)
    get(f"lists/{POL}/requests")
    get(f"lists/{POL}/requests/count")
    get(f"lists/{POL}/requests", token_owner="moderator")
    get(f"lists/{POL}/requests/count", token_owner="moderator")
    get(f"lists/{POL}/requests", request_type="subscription")
    get(f"lists/{POL}/requests/count", request_type="unsubscription")
get(f"lists/{POL}/requests", token_owner="king")
get(f"lists/{POL}/requests", request_type="king")
get(f"lists/{POL}/requests", colour="red")
get(f"lists/{POL}/requests", count="2", page="1")
for token in "token_confirm_0", "token_moderate_2", "token_moderate_0", "token_moderate_6":
    get(f"lists/{POL}/requests/<{token}>")
get(f"lists/{BEE}/requests/<token_moderate_2>")
get(f"lists/{POL}/requests/0123456789abcdef0123456789abcdef01234567")
both("POST", f"lists/{POL}/requests/0123456789abcdef0123456789abcdef01234567", action="accept")
ask("POST", f"lists/{POL}/requests/0123456789abcdef0123456789abcdef01234567", action="discard")
ask("POST", f"lists/{POL}/requests/0123456789abcdef0123456789abcdef01234567", action="reject")
ask("POST", f"lists/{POL}/requests/0123456789abcdef0123456789abcdef01234567", action="hold")
both("POST", f"lists/{POL}/requests/<token_moderate_2>", action="bogus")
both("POST", f"lists/{POL}/requests/<token_moderate_2>")
each("POST", f"lists/{POL}/requests/<token_moderate_2>", {"action": "accept", "colour": "red"}, {"action": "hold"}, {"action": "defer"},
     {"action": "accept"}, {"action": "accept"})
each("POST", f"lists/{POL}/requests/<token_moderate_1>", {"action": "reject", "reason": "no room"}, {"action": "reject"})
each("POST", f"lists/{POL}/requests/<token_moderate_0>", {"action": "discard"}, {"action": "discard"})
ask("PATCH", f"lists/{POL}/config", subscription_policy="confirm")
for token in "token_confirm_0", "token_confirm_1", "token_confirm_6":
    both("POST", f"lists/{POL}/requests/<{token}>", action="accept")
get(f"lists/{POL}/requests")
get(f"lists/{POL}/roster/member")
for policy in "open", "confirm", "moderate", "confirm_then_moderate":
    ask("PATCH", f"lists/{POL}/config", unsubscription_policy=policy)
    for number, flags in enumerate(({}, {"pre_confirmed": "no"}, {"pre_confirmed": "1"}, {"pre_approved": "1"},
                                    {"pre_confirmed": "1", "pre_approved": "1"}, {"pre_confirmed": "no", "pre_approved": "no"})):
        who = f"leaves-{policy.replace('_', '-')}-{number}@x.example"
        member(f"leaves_{policy}_{number}", POL, who)
        ask("DELETE", f"members/<leaves_{policy}_{number}>", {"keeps": {f"leave_{policy}_{number}": ("token",)}}, **flags)
        get(f"members/<leaves_{policy}_{number}>")
        if policy == "confirm_then_moderate" and number in (0, 2):
            ask("POST", f"lists/{POL}/requests/<leave_{policy}_{number}>", action="accept")
    get(f"lists/{POL}/requests", request_type="unsubscription")
get(f"lists/{POL}/requests/<leave_moderate_2>")
get(f"lists/{POL}/requests/count")
ask("PATCH", f"lists/{POL}/config", unsubscription_policy="moderate")
for token in "leave_moderate_2", "leave_moderate_0":
    both("POST", f"lists/{POL}/requests/<{token}>", action="accept")
ask("DELETE", "members/<leaves_moderate_1>", pre_confirmed="no")
for action in "reject", "discard":
    ask("POST", f"lists/{POL}/requests/<leave_moderate_1>", action=action)

# ---- users ----

make("users", "una", email="una@x.example", display_name="Una", password="secret")
make("users", "udo", as_json=True, email="Udo@x.example")
make("users", "boss", email="top@x.example", is_server_owner="yes")
each("POST", "users", {}, {"display_name": "x"}, {"email": "una@x.example"}, {"email": "UNA@x.example"}, {"email": "no address"},
     {"email": "x@x.example", "colour": "red"}, {"email": "x@x.example", "is_server_owner": "maybe"})
both("POST", "users")
get("users")
get("users", count="3", page="1")
get("owners")
for user in "<una>", "una@x.example", "UNA@x.example", "<udo>", "<boss>", "<ada_user>":
    get(f"users/{user}")
    get(f"users/{user}/addresses")
    get(f"users/{user}/preferences")
get("users", {"version": "3.0", "keeps": {"old_user": (*ENTRY, "user_id")}}, count="1", page="1")
get("users/<old_user>", {"version": "3.0"})
get("users/<una>/nothing")
get("users/<una>/addresses/more")
get("users/<una>/login")
get("users/<una>/preferred_address")
each("PATCH", "users/<una>", {"display_name": "Una U."}, {"is_server_owner": "yes"}, {"cleartext_password": "other"}, {"password": "x"},
     {"email": "x@x.example"}, {"is_server_owner": "maybe"}, {"colour": "red"}, {}, {"user_id": "1"}, {"display_name": ""})
get("users/una@x.example")
both("PUT", "users/<una>", display_name="all", cleartext_password="new", is_server_owner="no")
both("PUT", "users/<una>", display_name="part")
both("PUT", "users/<una>", cleartext_password="part")
get("users/<una>")
each("POST", "users/<una>/login", {"cleartext_password": "new"}, {"cleartext_password": "wrong"}, {}, {"colour": "red"})
both("POST", "users/<udo>/login", cleartext_password="any")
each("POST", "users/<una>/addresses", {"email": "una2@x.example"}, {"email": "Una3@x.example", "display_name": "Third"}, {"email": "una@x.example"},
     {"email": "udo@x.example"}, {"email": "no address"}, {}, {"colour": "red"}, {"email": "top@x.example", "absorb_existing": "1"})
get("users/<una>/addresses")
get("users/top@x.example")
get("users/<boss>")
get("owners")
each("GET", "users/find", {}, {"display_name": "una"}, {"display_name": "U*"}, {"display_name": "nobody"}, {"colour": "red"},
     {"query": "una"}, {"query": "x.example", "count": "2", "page": "1"})
ask("POST", "users/find", display_name="Una")
for email in "una@x.example", "una2@x.example", "nobody@x.example", "udo@x.example", "no address", "":
    both("POST", "users/<una>/preferred_address", email=email)
ask("POST", "addresses/una2@x.example/verify")
ask("POST", "users/<una>/preferred_address", email="una2@x.example")
get("users/<una>/preferred_address")
ask("POST", "members", {"keeps": {"una_member": "location"}}, list_id=GOAT, subscriber="<una>", **DONE)
get("members/<una_member>")
make("members", list_id=GOAT, subscriber="<una>", **DONE)
make("members", list_id=GOAT, subscriber="<una>", role="owner")
make("members", list_id=GOAT, subscriber="<udo>", role="owner")
get(f"lists/{GOAT}/roster/member")
get(f"lists/{GOAT}/member/una2@x.example")
each("PATCH", "members/<una_member>", {"address": "una@x.example"}, {"address": "una3@x.example"}, {"address": "udo@x.example"}, {"address": "nobody@x.example"})
get("members/<una_member>")
ask("DELETE", "users/<una>/preferred_address")
get("users/<una>/preferred_address")
ask("DELETE", "users/<udo>/preferred_address")

# ---- addresses ----

get("addresses")
get("addresses", count="3", page="2")
for address in "una@x.example", "UNA3@x.example", "una3@x.example", "ada@x.example", "no address", "anne@x.example":
    get(f"addresses/{address}")
    get(f"addresses/{address}/memberships")
    get(f"addresses/{address}/user")
for path in "", "/memberships", "/user", "/preferences", "/verify", "/unverify":
    for method in "OPTIONS", "PUT", "POST", "PATCH":
        if (path, method) != ("/user", "PUT"):
            ask(method, f"addresses/ada@x.example{path}")
each("PATCH", "addresses/una@x.example", {"display_name": "U."}, {"email": "x@x.example"}, {"display_name": "U.", "colour": "red"}, {})
for path in "verify", "unverify":
    ask("POST", f"addresses/una@x.example/{path}")
    get("addresses/una@x.example")
    ask("POST", f"addresses/una@x.example/{path}", colour="red")
    ask("POST", f"addresses/nobody@x.example/{path}")
    get(f"addresses/una@x.example/{path}")
    ask("POST", f"addresses/una@x.example/{path}/more")
ask("DELETE", "addresses/una3@x.example/user")
get("addresses/una3@x.example/user")
get("addresses/una3@x.example")
ask("DELETE", "addresses/una3@x.example/user")
both("POST", "addresses/una3@x.example/user", user_id="<udo>")
ask("DELETE", "addresses/una3@x.example/user")
each("POST", "addresses/una3@x.example/user", {"user_id": "0000000000000000ffffffffffffffff"}, {"user_id": "x"}, {"auto_create": "no"},
     {"auto_create": "yes", "display_name": "New"}, {"auto_create": "yes"})
get("addresses/una3@x.example/user")
each("PUT", "addresses/una3@x.example/user", {"user_id": "<udo>"}, {"user_id": "0000000000000000ffffffffffffffff"}, {}, {"email": "x@x.example"})
get("users/<udo>/addresses")
ask("DELETE", "addresses/una3@x.example")
ask("DELETE", "addresses/una3@x.example")
ask("DELETE", "users/<udo>/addresses")
get("users/<udo>/addresses")

# ---- preferences ----

GOOD = {"acknowledge_posts": "yes", "delivery_mode": "plaintext_digests", "delivery_status": "by_user", "hide_address": "no",
        "preferred_language": "de", "receive_list_copy": "off", "receive_own_postings": "0"}
for parent in "members/<bob>", "addresses/bob@x.example", "users/bob@x.example", "members/<role_moderator>":
    get(f"{parent}/preferences")
    for name, value in GOOD.items():
        ask("PATCH", f"{parent}/preferences", **{name: value})
        ask("PATCH", f"{parent}/preferences", **{name: "bogus"})
    get(f"{parent}/preferences")
    each("PATCH", f"{parent}/preferences", {"colour": "red"}, {}, {"hide_address": ""}, {"preferred_language": ""})
    both("PUT", f"{parent}/preferences", **GOOD)
    both("PUT", f"{parent}/preferences", delivery_mode="regular")
    ask("POST", f"{parent}/preferences", delivery_mode="regular")
    ask("OPTIONS", f"{parent}/preferences")
    ask("DELETE", f"{parent}/preferences")
    get(f"{parent}/preferences")
get("members/<bob>/all/preferences")
ask("PATCH", "members/<bob>/all/preferences", delivery_mode="regular")
ask("PATCH", "users/nothing/preferences", delivery_mode="regular")
ask("PATCH", "addresses/nobody@x.example/preferences", delivery_mode="regular")

# ---- the end of some ----

ask("DELETE", "addresses/bob@x.example")
get("members/<bob>")
ask("DELETE", "users/<una>")
ask("DELETE", "users/<una>")
ask("DELETE", "users/nobody@x.example")
get("addresses/una@x.example")
get(f"lists/{GOAT}/roster/member")
ask("DELETE", f"lists/{GOAT}")
ask("DELETE", f"lists/{GOAT}")
ask("DELETE", "lists/hare@example.org")
get("lists", count="3", page="1")
