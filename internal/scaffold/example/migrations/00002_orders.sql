-- +goose Up
CREATE TABLE orders (
  order_id   INT NOT NULL,
  ordered_at TIMESTAMP,
  customer   STRING,
  amount     DECIMAL(10, 2),
  source     STRING COMMENT 'File that the row came from'
);

-- +goose Down
DROP TABLE orders;
