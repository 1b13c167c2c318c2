CREATE TABLE n (k varchar(20) PRIMARY KEY, u bigint unsigned);
CREATE TABLE w (k varchar(20) CHARACTER SET utf16 PRIMARY KEY, u bigint unsigned);
CREATE TABLE b (k binary(4) PRIMARY KEY, u bigint unsigned);
CREATE TABLE e (k enum('x','y') PRIMARY KEY, u bigint unsigned);
CREATE TABLE d (k date PRIMARY KEY, u bigint unsigned);
