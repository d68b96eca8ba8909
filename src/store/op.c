/* op.c: the table of operations made from op.def, and PostgreSQL's GRANTs made from the table. */
#include "store/op.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct op_info table[] = {
#define OP(id, name, durability, roles, grants) {name, durability, roles, grants, op_run_##id},
#include "store/op.def"
#undef OP
};

static const struct {
    const char *name;
    enum store_role role;
} roles[] = {{"stored", R_STORED},     {"smtpd", R_SMTPD}, {"router", R_ROUTER}, {"deliver", R_DELIVER},
             {"archived", R_ARCHIVED}, {"cli", R_CLI},     {"httpd", R_HTTPD}};

const struct op_info *op_info(enum op op) {
    BUG_ON((unsigned)op >= OP_COUNT);
    return &table[op];
}

const char *store_role_name(enum store_role role) {
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (roles[i].role == role)
            return roles[i].name;
    BUG("no such role");
}

void op_refuse(struct op_run *r, enum err_code code, const char *fmt, ...) {
    if (r->err.code != ERR_OK)
        return;
    r->err.code = code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->err.text, sizeof r->err.text, fmt, ap);
    va_end(ap);
}

static void add_grant(view rights, view tables, const char *user, struct buf *out) {
    static const struct {
        char letter;
        const char *right;
    } names[] = {{'r', "SELECT"}, {'a', "INSERT"}, {'c', "UPDATE"}, {'d', "DELETE"}};
    buf_add_str(out, "GRANT ");
    for (size_t i = 0, n = 0; i < sizeof names / sizeof names[0]; i++)
        if (view_find(rights, names[i].letter) >= 0)
            buf_printf(out, "%s%s", n++ ? ", " : "", names[i].right);
    buf_add_str(out, " ON ");
    view name;
    for (bool first = true; view_split(&tables, ',', &name); first = false)
        buf_printf(out, "%spostroad.%.*s", first ? "" : ", ", VIEW_ARG(name));
    buf_printf(out, " TO \"%s\";\n", user);
}

void op_grants(enum store_role role, const char *user, struct buf *out) {
    buf_printf(out, "GRANT USAGE ON SCHEMA postroad TO \"%s\";\n", user);
    buf_printf(out, "GRANT SELECT ON postroad.instance TO \"%s\";\n", user);
    for (size_t i = 0; i < OP_COUNT; i++) {
        view rest = view_of(table[i].grants), piece, rights;
        while ((table[i].roles & role) && view_split(&rest, ' ', &piece))
            if (view_split(&piece, ':', &rights))
                add_grant(rights, piece, user, out);
    }
}
