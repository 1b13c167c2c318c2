CREATE TABLE tickets (
    id int AUTO_INCREMENT PRIMARY KEY,
    subject varchar(40),
    code varchar(40) AS (concat('T-', id)),
    shown varchar(80) AS (concat(code, ': ', subject)),
    subject_length int AS (length(subject)),
    stored_length int AS (length(subject) * 2) STORED
);
CREATE TABLE prices (
    id int PRIMARY KEY,
    net int,
    gross int AS (net * 2)
);
CREATE TRIGGER prices_default BEFORE INSERT ON prices FOR EACH ROW
    SET NEW.net = coalesce(NEW.net, 50);
CREATE TRIGGER prices_floor BEFORE UPDATE ON prices FOR EACH ROW
    SET NEW.net = greatest(NEW.net, 10);
INSERT INTO tickets (subject) VALUES ('printer'), ('screen');
INSERT INTO prices (id, net) VALUES (1, 7);
