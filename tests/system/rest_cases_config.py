"""What every attribute of a list is set to by rest_cases.py: values that are right, and values that are not."""

YES_NO = (["yes", "False", "1", "off"], ["maybe", "", "2"])
COUNT = (["0", "7", "1000"], ["-1", "many", "", "1.5"])
SPAN = (["1d", "10m", "2w3d", "1h30m", "90s"], ["soon", "", "1y", "-1d", "5"])
TEXT = (["Two words", "Zwölf Boxkämpfer", "line\nline", ""], [])
ACTION = (["hold", "reject", "discard", "accept", "defer"], ["bogus", "", "Hold", "0"])
POLICY = (["open", "confirm", "moderate", "confirm_then_moderate"], ["closed", ""])
ANSWER = (["none", "respond_and_discard", "respond_and_continue"], ["maybe", ""])
SENDERS = ([["ada@x.example", "^.*@y\\.example$"], "bo@x.example", "@ant.example.org", []],
           ["no address", ["ada@x.example", "^(unclosed"], "@nowhere.example.org"])
STRINGS = ([["one/two", "three"], "four", []], [])

VALUES = {
    "acceptable_aliases": ([["other@example.org", "^fox@.*"], "single@example.org", []], ["neither"]),
    "accept_these_nonmembers": SENDERS, "discard_these_nonmembers": SENDERS, "hold_these_nonmembers": SENDERS,
    "reject_these_nonmembers": SENDERS,
    **dict.fromkeys(("admin_immed_notify", "admin_notify_mchanges", "administrivia", "advertised", "allow_list_posts",
                     "anonymous_list", "bounce_notify_owner_on_bounce_increment", "bounce_notify_owner_on_disable",
                     "bounce_notify_owner_on_removal", "collapse_alternatives", "convert_html_to_plaintext",
                     "digest_send_periodic", "digests_enabled", "dmarc_mitigate_unconditionally", "emergency",
                     "filter_content", "first_strip_reply_to", "gateway_to_mail", "gateway_to_news",
                     "include_rfc2369_headers", "nntp_prefix_subject_too", "process_bounces",
                     "require_explicit_destination", "respond_to_post_requests", "send_goodbye_message",
                     "send_welcome_message"), YES_NO),
    "archive_policy": (["never", "private", "public"], ["secret", ""]),
    "archive_rendering_mode": (["text", "markdown"], ["html"]),
    "autorespond_owner": ANSWER, "autorespond_postings": ANSWER, "autorespond_requests": ANSWER,
    "autoresponse_grace_period": SPAN, "bounce_info_stale_after": SPAN, "bounce_you_are_disabled_warnings_interval": SPAN,
    "autoresponse_owner_text": TEXT, "autoresponse_postings_text": TEXT, "autoresponse_request_text": TEXT,
    "bounce_score_threshold": COUNT, "bounce_you_are_disabled_warnings": COUNT,
    "max_message_size": COUNT, "max_num_recipients": COUNT, "max_days_to_hold": COUNT,
    "default_member_action": ACTION, "default_nonmember_action": ACTION,
    "description": (["A list", "Äpfel", ""], ["two\nlines"]),
    "digest_size_threshold": (["10.5", "30", "0"], ["big", ""]),
    "digest_volume_frequency": (["daily", "weekly", "monthly", "quarterly", "yearly"], ["hourly"]),
    "display_name": (["Two words", "Zwölf Boxkämpfer"], []), "dmarc_moderation_notice": TEXT, "dmarc_wrapped_message_text": TEXT, "info": TEXT,
    "dmarc_mitigate_action": (["munge_from", "wrap_message", "reject", "discard", "no_mitigation"], ["bogus"]),
    "filter_action": (["reject", "discard", "forward", "preserve"], ["bogus"]),
    "filter_extensions": STRINGS, "filter_types": STRINGS, "pass_types": STRINGS, "pass_extensions": STRINGS,
    "forward_unrecognized_bounces_to": (["administrators", "site_owner", "discard"], ["nobody"]),
    "linked_newsgroup": (["comp.mail", ""], []),
    "member_roster_visibility": (["moderators", "members", "public"], ["all"]),
    "newsgroup_moderation": (["none", "open_moderated", "moderated"], ["closed"]),
    "personalize": (["individual", "full", "none"], ["more"]),
    "posting_pipeline": (["virgin", "default-posting-pipeline"], ["no-such-pipeline", ""]),
    "preferred_language": (["de", "en"], ["xx", ""]),
    "reply_goes_to_list": (["point_to_list", "explicit_header", "explicit_header_only", "no_munging"], ["somewhere"]),
    "reply_to_address": (["other@example.org", ""], []),
    "subject_prefix": (["[Ant] ", "[Ünt %d] ", ""], []),
    "subscription_policy": POLICY, "unsubscription_policy": POLICY,
}
READ_ONLY = ("bounces_address", "created_at", "digest_last_sent_at", "fqdn_listname", "join_address", "last_post_at",
             "leave_address", "list_name", "mail_host", "next_digest_number", "no_reply_address", "owner_address", "post_id",
             "posting_address", "request_address", "usenet_watermark", "volume")
# What all attributes that can be written are set to at once.
ALL = {name: good[0] for name, (good, _) in VALUES.items()} | {"moderator_password": "secret"}
