/* class.c: see class.h. */
#include "store/class.h"

static const struct {
    const char *name;
    unsigned weight;
} classes[CLASS_COUNT] = {
#define CLASS(id, number, name, weight, help) [number] = {name, weight},
#include "store/class.def"
#undef CLASS
};

const char *class_name(enum mail_class class) {
    return classes[class].name;
}

unsigned class_weight(enum mail_class class) {
    return classes[class].weight;
}

bool class_parse(view name, enum mail_class *ret_class) {
    for (int i = 0; i < CLASS_COUNT; i++)
        if (view_eq(name, view_of(classes[i].name))) {
            *ret_class = (enum mail_class)i;
            return true;
        }
    return false;
}
