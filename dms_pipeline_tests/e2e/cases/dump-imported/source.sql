CREATE TABLE shops (
    shop_id tinyint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(30) NOT NULL,
    opened year DEFAULT NULL,
    last_update timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP
);
INSERT INTO shops (name, opened) VALUES ('Harbour', 1999), ('Station', NULL);
