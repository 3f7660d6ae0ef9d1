/* Chat templates: strftime_now, in UTC and the C locale. May call: base, template_impl.h. */
#include "text/template_impl.h"

typedef struct date { int64_t year; unsigned month, day, hour, minute, second, weekday, yday; } date;

/* Days since 1970 -> civil date (proleptic Gregorian). */
static date date_of(int64_t now) {
  static const unsigned before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  const int64_t limit = (int64_t)253402300799; /* the year 9999 */
  if (now > limit) now = limit;
  if (now < 0) now = 0;
  int64_t days = now / 86400, left = now % 86400, year = 1970, length;
  date d = {.hour = (unsigned)(left / 3600), .minute = (unsigned)(left / 60 % 60), .second = (unsigned)(left % 60),
            .weekday = (unsigned)((days + 4) % 7)};
  bool leap;
  for (;; year++) {
    leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    length = leap ? 366 : 365;
    if (days < length) break;
    days -= length;
  }
  d.year = year;
  d.yday = (unsigned)days + 1;
  for (d.month = 12; d.month > 1; d.month--)
    if (d.yday > before[d.month - 1] + (leap && d.month > 2)) break;
  d.day = d.yday - before[d.month - 1] - (leap && d.month > 2);
  return d;
}

static bool directive(lq_tpl *t, const date *d, char c, lq_buf *b) {
  static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July",
                                       "August", "September", "October", "November", "December"};
  static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
  unsigned hour12 = d->hour % 12 ? d->hour % 12 : 12;
  switch (c) {
    case 'Y': lq_buf_printf(b, "%lld", (long long)d->year); return true;
    case 'y': lq_buf_printf(b, "%02u", (unsigned)(d->year % 100)); return true;
    case 'm': lq_buf_printf(b, "%02u", d->month); return true;
    case 'd': lq_buf_printf(b, "%02u", d->day); return true;
    case 'e': lq_buf_printf(b, "%2u", d->day); return true;
    case 'H': lq_buf_printf(b, "%02u", d->hour); return true;
    case 'I': lq_buf_printf(b, "%02u", hour12); return true;
    case 'M': lq_buf_printf(b, "%02u", d->minute); return true;
    case 'S': lq_buf_printf(b, "%02u", d->second); return true;
    case 'f': lq_buf_addz(b, "000000"); return true;
    case 'j': lq_buf_printf(b, "%03u", d->yday); return true;
    case 'w': lq_buf_printf(b, "%u", d->weekday); return true;
    case 'u': lq_buf_printf(b, "%u", d->weekday ? d->weekday : 7); return true;
    case 'p': lq_buf_addz(b, d->hour < 12 ? "AM" : "PM"); return true;
    case 'B': lq_buf_addz(b, months[d->month - 1]); return true;
    case 'b':
    case 'h': lq_buf_add(b, months[d->month - 1], 3); return true;
    case 'A': lq_buf_addz(b, days[d->weekday]); return true;
    case 'a': lq_buf_add(b, days[d->weekday], 3); return true;
    case 'F': lq_buf_printf(b, "%lld-%02u-%02u", (long long)d->year, d->month, d->day); return true;
    case 'T': lq_buf_printf(b, "%02u:%02u:%02u", d->hour, d->minute, d->second); return true;
    case 'R': lq_buf_printf(b, "%02u:%02u", d->hour, d->minute); return true;
    case 'D': lq_buf_printf(b, "%02u/%02u/%02u", d->month, d->day, (unsigned)(d->year % 100)); return true;
    case 'Z':
    case 'z': return true; /* datetime.now() knows no zone */
    case 'n': lq_buf_addz(b, "\n"); return true;
    case 't': lq_buf_addz(b, "\t"); return true;
    case '%': lq_buf_addz(b, "%"); return true;
    default: return lq_tpl_fail(t, LQ_E_UNSUPPORTED, "%%%c in strftime_now is not supported", c);
  }
}

bool lq_tpl_strftime(lq_tpl *t, lq_str fmt, lq_tv *out) {
  lq_buf b = {.limit = LQ_TPL_MAX_OUTPUT};
  date d = date_of(t->now);
  bool ok = true;
  for (size_t i = 0; ok && i < fmt.n; i++) {
    if (fmt.p[i] != '%') {
      lq_buf_add(&b, &fmt.p[i], 1);
    } else if (i + 2 < fmt.n && fmt.p[i + 1] == '-' && (fmt.p[i + 2] == 'd' || fmt.p[i + 2] == 'm' || fmt.p[i + 2] == 'H' || fmt.p[i + 2] == 'I')) {
      i += 2; /* glibc: no leading zero */
      char c = fmt.p[i];
      lq_buf_printf(&b, "%u", c == 'd' ? d.day : c == 'm' ? d.month : c == 'H' ? d.hour : d.hour % 12 ? d.hour % 12 : 12);
    } else {
      i++;
      ok = i < fmt.n ? directive(t, &d, fmt.p[i], &b)
                     : lq_tpl_fail(t, LQ_E_UNSUPPORTED, "a lone %% at the end of strftime_now's format is not supported");
    }
  }
  return lq_tpl_buf(t, &b, out) && ok;
}
