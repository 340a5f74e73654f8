#include "fields.h"

#include "word.h"

static struct heap heap;

static const struct polus_field *field_of(const struct item *item, unsigned from, uint64_t offset, size_t size) {
  const struct polus_field *field = item->fields[from], *end = field + item->field_count[from];
  for (; field < end && field->at[0] <= offset; field++) {
    if (field->at[0] == offset && field->size[0] == size) return field;
    /* Of what is no wider over there any part may be stored. */
    if (field->size[0] == field->size[1] && offset + size <= field->at[0] + (uint64_t)field->size[0]) return field;
  }
  return NULL;
}

static uint64_t widened(uint64_t value, const struct polus_field *field) {
  unsigned unused = 64 - 8u * field->size[0];
  return field->is_signed ? (uint64_t)((int64_t)(value << unused) >> unused) : value;
}

/* The only copy that has bytes there, if all of them are its. */
static const struct copy *sole_copy(const struct page *page, uint64_t at, size_t size) {
  uint32_t i = first_copy(page, at);
  if (i == page->count) return NULL;
  const struct copy *copy = &page->copies[i];
  int more = i + 1 < page->count && copy[1].at < at + size;
  return !more && copy->at <= at && at + size <= copy->at + copy->size ? copy : NULL;
}

static int is_word(uint64_t at, size_t size) {
  return size <= 8 && (size & (size - 1)) == 0 && at % PAGE_SIZE + size <= PAGE_SIZE;
}

int field_store(const struct page *page, uint64_t at, const uint8_t *bytes, size_t size) {
  if (!is_word(at, size)) return 0;
  const struct copy *copy = sole_copy(page, at, size);
  if (copy == NULL || !(copy->object->flags & OBJECT_COHERENT)) return 0;
  const struct object *object = copy->object;
  const struct polus_field *field = field_of(&items[object->item], copy->side, at - copy->at, size);
  if (field == NULL) return 0;
  int same_width = field->size[0] == field->size[1];
  size_t width = same_width ? size : field->size[1];
  uint64_t there = object->at[1 - copy->side] + field->at[1] + (same_width ? at - copy->at - field->at[0] : 0);
  const struct page *twin = page_of(there);
  /* What is not aligned would have to be stored in pieces. */
  if (!is_word(there, width) || there % width != 0 || twin == NULL || twin->state != PAGE_GUARDED) return 0;
  const struct copy *other = sole_copy(twin, there, width);
  if (other == NULL || other->object != object || other->side == copy->side) return 0;
  uint64_t before = word_load((const void *)at, size);
  if (word_load((const void *)there, width) != word_cut(same_width ? before : widened(before, field), width)) return 0;
  uint64_t after = word_load(bytes, size);
  word_store(page->alias + at % PAGE_SIZE, after, size);
  polus_control.transfers++;
  word_store(twin->alias + there % PAGE_SIZE, same_width ? after : widened(after, field), width);
  return 1;
}

void fields_drop(struct item *item) {
  size_t count = (size_t)item->field_count[0] + item->field_count[1];
  if (count > 0) heap_release(&heap, item->fields[0], count * sizeof **item->fields);
  item->fields[0] = item->fields[1] = NULL;
  item->field_count[0] = item->field_count[1] = 0;
}

long fields_make(struct item *item, const size_t count[2]) {
  fields_drop(item);
  struct polus_field *fields = heap_allocate(&heap, (count[0] + count[1]) * sizeof *fields);
  if (fields == NULL) return POLUS_FAULT_MEMORY;
  for (unsigned from = POLUS_OLD; from <= POLUS_NEW; from++) {
    item->fields[from] = from == POLUS_OLD ? fields : fields + count[POLUS_OLD];
    item->field_count[from] = (uint32_t)count[from];
  }
  return (long)fields;
}
