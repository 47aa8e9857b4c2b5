-- A load is one COPY INTO. `dbctl load orders` loads each file once: it remembers what it has loaded, and notices a file that was
-- overwritten since. With the next line the rows of such a file can be replaced: --on-changed replace.
-- dbctl: filename-column=source
COPY INTO orders (order_id, ordered_at, customer, amount, source)
FROM (
  SELECT $1, $2, $3, $4, METADATA$FILENAME
  FROM @@NAME@_stage/orders/
)
FILE_FORMAT = (TYPE = CSV, SKIP_HEADER = 1);
