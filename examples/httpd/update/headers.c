/* The response's headers: languages are looked up where they are after each one that is added. */
#include "taken/http_filters.c.head"

#include <polus.h>

#include "taken/check_header_ctx"
extern int check_headers_table(apr_table_t *, struct check_header_ctx *)
    POLUS_STATIC(check_headers_table, "http_filters.c");

#include "taken/header_struct"
extern int form_header_field(header_struct *, const char *, const char *)
    POLUS_STATIC(form_header_field, "http_filters.c");
extern int uniq_field_values(void *, const char *, const char *) POLUS_STATIC(uniq_field_values, "http_filters.c");
extern void basic_http_header(request_rec *, apr_bucket_brigade *, const char *)
    POLUS_STATIC(basic_http_header, "http_filters.c");

#include "taken/check_headers"
#include "taken/check_headers_recursion"
#include "taken/fixup_vary"
#include "taken/send_all_header_fields"
#include "taken/validate_status_line"
#include "taken/basic_http_header_check"
#include "taken/terminate_header"
#include "taken/header_filter_ctx"
#include "taken/merge_response_headers"

#define ap_http_header_filter ap_http_header_filter_2_4_68
#include "taken/ap_http_header_filter"
